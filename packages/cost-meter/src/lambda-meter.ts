/** What the invocation itself costs, and how much of that with an open model call, that is: waiting. */

import type { Clock } from '@sluice/core'
import type { LambdaCost } from './cost-record.ts'
import { type LambdaRates, lambdaPriceOf } from './pricing/lambda-price.ts'
import { usdText } from './pricing/usd.ts'

export interface LambdaMeter {
  callStarted(): void
  callEnded(): void
  soFar(): LambdaCost
}

export function lambdaMeter(
  clock: Clock,
  region: string | undefined,
  rates: LambdaRates | undefined,
  memoryMb: number = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
): LambdaMeter {
  const startedAtMs = clock.now()
  const architecture = process.arch === 'x64' ? 'x86_64' : 'arm64'
  let open = 0
  let openSinceMs = 0
  let waitedMs = 0

  function usdOf(durationMs: number, requests: number): string | undefined {
    const price = lambdaPriceOf({ durationMs, memoryMb, region, architecture, requests }, rates)
    return price.priced ? usdText(price.picoUsd) : undefined
  }

  return {
    callStarted() {
      if (open++ === 0) openSinceMs = clock.now()
    },
    callEnded() {
      if (--open === 0) waitedMs += clock.now() - openSinceMs
    },
    soFar() {
      const nowMs = clock.now()
      const durationMs = nowMs - startedAtMs
      const waitingMs = waitedMs + (open > 0 ? nowMs - openSinceMs : 0)
      return { usd: usdOf(durationMs, 1), waitingUsd: usdOf(waitingMs, 0), durationMs, waitingMs }
    },
  }
}
