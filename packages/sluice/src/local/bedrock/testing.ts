/** Helpers of this folder's tests: real clients on both transports. */
import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  ConverseCommand,
  ConverseStreamCommand,
  type ConverseStreamCommandOutput,
} from '@aws-sdk/client-bedrock-runtime'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import { onTestFinished } from 'vitest'
import type { Clock } from './clock.ts'
import { type BedrockOptions, type LocalBedrock, startBedrock } from './endpoint.ts'
import type { FaultRule } from './faults.ts'

export const TRANSPORTS = ['http1', 'http2'] as const
export type Transport = (typeof TRANSPORTS)[number]

export const MODEL = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'

/** An endpoint without latency that is closed with the test. */
export async function startForTest(options: BedrockOptions = {}): Promise<LocalBedrock> {
  const bedrock = await startBedrock({ latency: 'none', ...options })
  onTestFinished(() => bedrock.close())
  return bedrock
}

/** A client without retries that reuses its HTTP/2 session, destroyed with the test. */
export function clientFor(
  { url }: { url: string },
  transport: Transport = 'http2',
  config: BedrockRuntimeClientConfig = {},
): BedrockRuntimeClient {
  const client = new BedrockRuntimeClient({
    endpoint: url,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
    requestHandler:
      transport === 'http1'
        ? new NodeHttpHandler()
        : new NodeHttp2Handler({ disableConcurrentStreams: false }),
    ...config,
  })
  onTestFinished(() => client.destroy())
  return client
}

/** One user message. */
export const say = (text: string) => ({
  modelId: MODEL,
  messages: [{ role: 'user' as const, content: [{ text }] }],
})

/** Reads a stream to its end, and tells how it ended. */
export async function readStream({ stream }: Pick<ConverseStreamCommandOutput, 'stream'>) {
  const events: string[] = []
  let text = ''
  try {
    for await (const event of stream!) {
      events.push(Object.keys(event)[0]!)
      text += event.contentBlockDelta?.delta?.text ?? ''
    }
    return { events, text, error: undefined }
  } catch (error) {
    return { events, text, error: error as Error }
  }
}

/** What {@link withFault} asks for. */
export const FAULT_TEXT = 'One two three four five.'

/** An endpoint with one rule, and a client that asks it the same again and again. */
export async function withFault(rule: FaultRule, transport: Transport) {
  const bedrock = await startForTest({ faults: [rule] })
  const client = clientFor(bedrock, transport)
  return {
    bedrock,
    client,
    whole: (signal?: AbortSignal) =>
      client.send(new ConverseCommand(say(FAULT_TEXT)), signal && { abortSignal: signal }),
    stream: async (signal?: AbortSignal) =>
      readStream(
        await client.send(new ConverseStreamCommand(say(FAULT_TEXT)), signal && { abortSignal: signal }),
      ),
  }
}

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves on, and wakes those whose time has come. */
  advance(ms: number): void
  /** Resolves when so many sleep. */
  sleeping(count?: number): Promise<void>
}

export function manualClock(start = 1_700_000_000_000): ManualClock {
  let now = start
  const sleepers = new Set<{ at: number; wake: () => void }>()
  const watchers = new Set<() => void>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const wake = () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        }
        const sleeper = { at: now + ms, wake }
        const stop = () => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        if (signal?.aborted) return reject(signal.reason)
        signal?.addEventListener('abort', stop)
        sleepers.add(sleeper)
        for (const watch of watchers) watch()
      }),
    advance(ms) {
      now += ms
      for (const sleeper of sleepers) {
        if (sleeper.at > now) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
    sleeping: (count = 1) =>
      new Promise((resolve) => {
        const watch = () => {
          if (sleepers.size < count) return
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
        watch()
      }),
  }
}
