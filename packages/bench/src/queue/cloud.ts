/** The cloud of one arm: queue, sandboxes, model, and a Redis that outlives the sandboxes. */

import { createClient } from '@redis/client'
import { type LocalBedrock, type LocalQueue, startLocal } from 'sluice/local'
import { startRedis } from '../../../store/src/fixtures/redis-server.ts'
import { type Calls, recordCalls } from './calls.ts'
import type { QueueLoad } from './load.ts'
import { type Reasons, recordReasons } from './reasons.ts'

export interface Cloud {
  readonly queue: LocalQueue
  readonly bedrock: LocalBedrock
  readonly calls: Calls
  readonly reasons: Reasons
  /** Invocations whose sandbox was killed. */
  readonly killed: ReadonlySet<string>
  /** `ticket invocation` for each result that was delivered. */
  results(): Promise<string[]>
  close(): Promise<void>
}

/** Resolves when all sandboxes are warm. */
export async function startCloud(handler: URL, load: QueueLoad): Promise<Cloud> {
  const { sandboxes, requestsPerSecond, burstSeconds } = load
  const calls = recordCalls(load.faultShare)
  const reasons = recordReasons()
  const killed = new Set<string>()
  const requestsPerMinute = 60 * requestsPerSecond
  const burstRequests = burstSeconds * requestsPerSecond
  const closers: (() => unknown)[] = []

  async function close(): Promise<void> {
    for (const closer of closers.splice(0).reverse()) await closer()
  }

  try {
    const redis = await startRedis()
    closers.push(redis.close)
    const sink = createClient({ url: redis.url })
    await sink.connect()
    closers.push(() => sink.destroy())
    const local = await startLocal({
      bedrock: {
        latency: { firstTokenMs: 80, tokensPerSecond: 200 },
        quotas: [{ requestsPerMinute, burstRequests }],
        faults: calls.faults,
        keepRequests: 0,
      },
      functions: {
        work: {
          handler,
          concurrency: sandboxes,
          timeoutMs: load.timeoutMs,
          // All of them start at once, on few cores.
          initTimeoutMs: 120_000,
          environment: {
            REDIS_URL: redis.url,
            REQUESTS_PER_MINUTE: String(requestsPerMinute),
            BURST_REQUESTS: String(burstRequests),
            MAX_WAIT_MS: String(load.maxWaitMs),
          },
          kills: {
            share: load.killShare,
            withinMs: 1_000,
            onKill({ requestId, event }) {
              killed.add(requestId)
              reasons.killed(event)
            },
          },
        },
      },
      queues: {
        tickets: {
          function: 'work',
          reportBatchItemFailures: true,
          maximumConcurrency: sandboxes,
          duplicateShare: load.duplicateShare,
          maxReceiveCount: load.maxReceiveCount,
          visibilityTimeoutSeconds: load.visibilityTimeoutSeconds,
        },
      },
      onLog: ({ text }) => reasons.read(text),
    })
    closers.push(local.close)
    const { work } = local.functions
    await Promise.all(Array.from({ length: sandboxes }, () => work.invoke({ Records: [] })))
    return {
      queue: local.queues.tickets,
      bedrock: local.bedrock,
      calls,
      reasons,
      killed,
      results: () => sink.lRange('results', 0, -1),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
