/** The SDK's own retries, whose waits and clocks pass with the time of the bench. */

import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import { AdaptiveRetryStrategy, DefaultRateLimiter, StandardRetryStrategy } from '@smithy/core/retry'
import type { Surroundings } from '../policy.ts'

/** What is replaced of the strategies; the rest of them stays. */
interface Backoff {
  retryBackoffStrategy: { computeNextBackoffDelay(attempt: number): number }
}

/** Three attempts, 1 s as the base of the backoff after a 429, a retry quota of 500: the SDK's defaults. */
export function standardClient({ client, settings }: Surroundings): BedrockRuntimeClient {
  const strategy = new StandardRetryStrategy(3)
  compress(strategy, settings.compression.factor)
  return client({ retryStrategy: strategy })
}

/** The same with the SDK's rate limiter, one for each client. */
export function adaptiveClient({ client, clock, settings }: Surroundings): BedrockRuntimeClient {
  const { factor } = settings.compression
  const limiter = DefaultRateLimiter as unknown as { setTimeoutFn: typeof setTimeout }
  limiter.setTimeoutFn = ((callback: () => void, delayMs: number) =>
    setTimeout(callback, delayMs / factor)) as typeof setTimeout
  const rateLimiter = Object.assign(new DefaultRateLimiter(), {
    getCurrentTimeInSeconds: () => clock.now() / 1000,
  })
  const strategy = new AdaptiveRetryStrategy(3, { rateLimiter })
  compress((strategy as unknown as { standardRetryStrategy: object }).standardRetryStrategy, factor)
  return client({ retryStrategy: strategy })
}

function compress(strategy: object, factor: number): void {
  const { retryBackoffStrategy } = strategy as Backoff
  const original = retryBackoffStrategy.computeNextBackoffDelay.bind(retryBackoffStrategy)
  retryBackoffStrategy.computeNextBackoffDelay = (attempt) => original(attempt) / factor
}
