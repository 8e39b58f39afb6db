/** One arm: all messages through one function, from the first sent to the last that is done or given up. */

import { setTimeout as sleepFor } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { type LocalQueue, startLocal } from 'sluice/local'
import { startRedis } from '../../../store/src/fixtures/redis-server.ts'
import { recordCalls } from './calls.ts'
import type { Ticket } from './handlers/ticket.ts'
import { recordReasons } from './reasons.ts'
import { type Tally, tally } from './tally.ts'

export const arms = {
  sluice: new URL('./handlers/sluice.ts', import.meta.url),
  naive: new URL('./handlers/naive.ts', import.meta.url),
} as const
export type QueueArm = keyof typeof arms

export interface QueueLoad {
  readonly messages: number
  readonly sandboxes: number
  /** What the provider allows. Twice as many messages come. */
  readonly requestsPerSecond: number
  /** How many seconds of that it allows at once. */
  readonly burstSeconds: number
  /** The longest that a call of Sluice waits in its sandbox, before its message goes back. */
  readonly maxWaitMs: number
  readonly maxReceiveCount: number
  /** Time-out of the function. */
  readonly timeoutMs: number
  readonly visibilityTimeoutSeconds: number
  /** Share of the calls that the provider fails. */
  readonly faultShare: number
  /** Share of the invocations whose sandbox dies. */
  readonly killShare: number
  /** Share of the messages that are delivered twice. */
  readonly duplicateShare: number
  /** Of so many messages one is broken, and belongs into the dead-letter queue. */
  readonly brokenEvery: number
}

export interface ArmResult extends Tally {
  readonly seconds: number
  /** Messages sent in a second. */
  readonly sentPerSecond: number
  /** What really happened of what was asked for. */
  readonly shares: { readonly faults: number; readonly kills: number; readonly duplicates: number }
  readonly invocations: number
  /** How often a message was delivered to a function. */
  readonly deliveriesPerMessage: number
  /** Calls that the provider refused for lack of quota. */
  readonly throttled: number
}

export async function runArm(
  arm: QueueArm,
  load: QueueLoad,
  { progress = () => {}, signal }: { progress?: (line: string) => void; signal?: AbortSignal } = {},
): Promise<ArmResult> {
  const { messages, sandboxes, requestsPerSecond, timeoutMs, killShare, duplicateShare } = load
  const calls = recordCalls(load.faultShare)
  const reasons = recordReasons()
  const killed = new Set<string>()
  const quota = {
    requestsPerMinute: 60 * requestsPerSecond,
    burstRequests: load.burstSeconds * requestsPerSecond,
  }

  await using stack = new AsyncDisposableStack()
  const redis = stack.adopt(await startRedis(), (server) => server.close())
  const sink = createClient({ url: redis.url })
  await sink.connect()
  stack.defer(() => sink.destroy())
  const local = await startLocal({
    bedrock: {
      latency: { firstTokenMs: 80, tokensPerSecond: 200 },
      quotas: [quota],
      faults: calls.faults,
      keepRequests: 0,
    },
    functions: {
      work: {
        handler: arms[arm],
        concurrency: sandboxes,
        timeoutMs,
        // All of them start at once, on few cores.
        initTimeoutMs: 120_000,
        environment: {
          REDIS_URL: redis.url,
          REQUESTS_PER_MINUTE: String(quota.requestsPerMinute),
          BURST_REQUESTS: String(quota.burstRequests),
          MAX_WAIT_MS: String(load.maxWaitMs),
        },
        kills: {
          share: killShare,
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
        duplicateShare,
        maxReceiveCount: load.maxReceiveCount,
        visibilityTimeoutSeconds: load.visibilityTimeoutSeconds,
      },
    },
    onLog: ({ text }) => reasons.read(text),
  })
  stack.defer(() => local.close())
  const queue = local.queues.tickets

  progress(`${arm}: starting ${sandboxes} sandboxes`)
  await Promise.all(Array.from({ length: sandboxes }, () => local.functions.work.invoke({ Records: [] })))
  const tickets = Array.from({ length: messages }, (_, at) => ticket(at, load.brokenEvery))
  const startedAt = performance.now()
  const secondsSince = () => (performance.now() - startedAt) / 1_000
  const every = setInterval(async () => {
    const { events, duplicates } = queue.counters()
    const { requests, outcomes } = local.bedrock.counters()
    const results = await sink.lLen('results')
    progress(
      `${arm}: ${results} results, ${requests} calls (${outcomes.throttled ?? 0} refused), ` +
        `${events} invocations, ${killed.size} killed, ${duplicates} duplicates`,
    )
  }, 10_000)
  stack.defer(() => clearInterval(every))
  await send(queue, tickets, 2 * requestsPerSecond, signal)
  const sentSeconds = secondsSince()
  await queue.settled(signal && { signal })
  const seconds = secondsSince()
  await local.bedrock.idle()

  const { requests, outcomes } = local.bedrock.counters()
  const { events, records, duplicates } = queue.counters()
  const admitted = tickets.reduce((sum, { id }) => sum + calls.of(id).length, 0)
  const evidence = {
    tickets,
    results: await sink.lRange('results', 0, -1),
    deadLetters: await queue.deadLetters(),
    reasons,
    calls,
    killed,
    requests,
  }
  return {
    ...tally(evidence),
    seconds,
    sentPerSecond: messages / sentSeconds,
    shares: {
      faults: calls.faulted / admitted,
      kills: killed.size / events,
      duplicates: duplicates / (records - duplicates),
    },
    invocations: events,
    deliveriesPerMessage: records / messages,
    throttled: outcomes.throttled ?? 0,
  }
}

function ticket(at: number, brokenEvery: number): Ticket {
  const id = `ticket-${at}`
  if (at % brokenEvery === brokenEvery - 1) return { id }
  return {
    id,
    text: `Classify as question, complaint or praise: my card number ${at} never came, and nobody answers me.`,
  }
}

const tickMs = 50

/** Sends at a steady rate, and makes up for what came late. */
async function send(
  queue: LocalQueue,
  tickets: readonly Ticket[],
  perSecond: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const startedAt = performance.now()
  for (let sent = 0; sent < tickets.length; ) {
    await sleepFor(tickMs, undefined, signal && { signal })
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000)
    const bodies = tickets.slice(sent, due).map((each) => JSON.stringify(each))
    sent += bodies.length
    const parts = Array.from({ length: Math.ceil(bodies.length / 10) }, (_, at) =>
      queue.send(bodies.slice(at * 10, at * 10 + 10), signal && { signal }),
    )
    await Promise.all(parts)
  }
}
