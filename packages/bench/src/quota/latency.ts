import { callModel, noUsage, runInScope } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { quotaThrottle } from '@sluice/quota-throttle'
import type { Bench, BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { table } from '../table.ts'
import { type Pair, pairs } from './pair.ts'
import { randomOf } from './random.ts'
import { quantile } from './statistics.ts'

interface Latency {
  /** From the call to its sending, in milliseconds. */
  readonly addedMs: { readonly p50: number; readonly p99: number }
  /** Of a bare request to the same server in the same run. */
  readonly rawMs: { readonly p50: number; readonly p99: number }
}

/** What DynamoDB Local carries easily is less than what Redis does. */
const callsPerSecond = { redis: 100, dynamodb: 25 } as const
const sandboxes = 50
const inputTokens = 2_000
const outputTokens = 400
const maxTokens = 600
const burndown = 5
const warmUpSeconds = 3

/** What a call waits for the throttle while there is room: at half of the quota, in real time. */
export const quotaLatency: Bench = {
  summary: 'what the throttle adds to a call at half of the quota, by store',
  async run({ quick, progress }): Promise<BenchReport> {
    const seconds = quick ? 4 : 30
    const results: Record<string, Latency> = {}
    for (const name of ['redis', 'dynamodb'] as const) {
      progress(`${name}: about ${seconds + warmUpSeconds} s`)
      const pair = await pairs[name]()
      try {
        results[name] = await measure(pair, callsPerSecond[name], seconds)
      } finally {
        await pair.close()
      }
    }
    const rows = Object.entries(results).map(([name, { addedMs, rawMs }]) => [
      name === 'redis' ? 'redis (goal 2 / 10 ms)' : 'dynamodb (local)',
      ...[addedMs.p50, addedMs.p99, rawMs.p50, rawMs.p99].map((ms) => ms.toFixed(2)),
    ])
    return {
      text: [
        `${callsPerSecond.redis} calls a second (${callsPerSecond.dynamodb} with DynamoDB) from ${sandboxes} sandboxes in one process, Poisson arrivals, half of the quota, real time.`,
        'Added: from the call to its sending. Raw: one bare request to the same server, after each call.',
        '',
        table(['store', 'added p50 ms', 'p99', 'raw p50 ms', 'p99'], rows),
        '',
        machine(),
      ].join('\n'),
      json: results,
      voidReasons: [],
    }
  },
}

async function measure(pair: Pair, perSecond: number, seconds: number): Promise<Latency> {
  const random = randomOf(1)
  const tokensPerMinute = (perSecond / 0.5) * 60 * (inputTokens + burndown * outputTokens)
  const throttles = Array.from({ length: sandboxes }, () =>
    quotaThrottle({ quotas: { tokensPerMinute }, store: pair.store(), models: { 'fake.': { burndown } } }),
  )
  const addedMs: number[] = []
  const rawMs: number[] = []

  async function call(index: number): Promise<void> {
    const startedAt = performance.now()
    let sentAt = startedAt
    const model = fakeModel({
      usage: { ...noUsage, inputTokens, outputTokens },
      before() {
        sentAt = performance.now()
      },
    })
    const policies = [throttles[index % sandboxes]!]
    const request = model.request({
      inputBytes: 4 * inputTokens,
      estimatedInputTokens: inputTokens,
      maxTokens,
    })
    await runInScope({ policies, deadlineMs: Date.now() + 60_000 }, (scope) => callModel(scope, request))
    const rawAt = performance.now()
    await pair.raw()
    if (index < warmUpSeconds * perSecond) return
    addedMs.push(sentAt - startedAt)
    rawMs.push(performance.now() - rawAt)
  }

  const open: Promise<void>[] = []
  let dueAt = performance.now()
  for (let index = 0; index < (seconds + warmUpSeconds) * perSecond; index++) {
    dueAt += random.exponential(1_000 / perSecond)
    const waitMs = dueAt - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    open.push(call(index))
  }
  await Promise.all(open)
  const of = (values: readonly number[]) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) })
  return { addedMs: of(addedMs), rawMs: of(rawMs) }
}
