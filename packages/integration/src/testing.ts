/** What the integration tests share: an endpoint, clients that talk to it, a Lambda context, and what is observed. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { BedrockRuntimeClient, type BedrockRuntimeClientConfig } from '@aws-sdk/client-bedrock-runtime'
import type { AttemptRecord, CallRecord } from '@sluice/core'
import type { Context } from 'aws-lambda'
import { type BedrockOptions, type LocalBedrock, startBedrock } from 'sluice/local'
import { afterEach } from 'vitest'

/** What a test has opened is closed after it, the last first. */
export const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

export const modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'

/** An input of Converse with one message. */
export function asking(text: string) {
  return { modelId, messages: [{ role: 'user' as const, content: [{ text }] }] }
}

export async function startEndpoint(options: BedrockOptions = {}): Promise<LocalBedrock> {
  const endpoint = await startBedrock({ latency: 'none', ...options })
  closers.push(() => endpoint.close())
  return endpoint
}

/** A bare client of the SDK. */
export function newClient(url: string, config: BedrockRuntimeClientConfig = {}): BedrockRuntimeClient {
  const client = new BedrockRuntimeClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    ...config,
  })
  closers.push(() => client.destroy())
  return client
}

/** The context of one invocation, as far as handlers and Middy look at it. */
export function lambdaContext(awsRequestId: string, remainingMs = 60_000): Context {
  const endMs = Date.now() + remainingMs
  return {
    awsRequestId,
    functionName: 'test',
    getRemainingTimeInMillis: () => endMs - Date.now(),
  } as Partial<Context> as Context
}

export interface Observed {
  readonly attempts: AttemptRecord[]
  readonly calls: CallRecord[]
}

/** Every record of this process until the end of the test. */
export function observe(): Observed {
  const observed: Observed = { attempts: [], calls: [] }
  const onAttempt = (message: unknown) => {
    observed.attempts.push(message as AttemptRecord)
  }
  const onCall = (message: unknown) => {
    observed.calls.push(message as CallRecord)
  }
  subscribe('sluice:attempt', onAttempt)
  subscribe('sluice:call', onCall)
  closers.push(() => {
    unsubscribe('sluice:attempt', onAttempt)
    unsubscribe('sluice:call', onCall)
  })
  return observed
}
