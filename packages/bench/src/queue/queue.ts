import { hasRedis } from '../../../store/src/fixtures/redis-server.ts'
import { type Bench, type BenchReport, UsageError } from '../bench.ts'
import type { QueueLoad } from './load.ts'
import { queueReport, voidReasons } from './report.ts'
import { type ArmResult, type QueueArm, runArm } from './run-arm.ts'

const whole: QueueLoad = {
  messages: 100_000,
  sandboxes: 50,
  requestsPerSecond: 150,
  burstSeconds: 60,
  maxWaitMs: 1_000,
  maxReceiveCount: 5,
  timeoutMs: 25_000,
  visibilityTimeoutSeconds: 30,
  faultShare: 0.02,
  killShare: 0.01,
  duplicateShare: 0.005,
  brokenEvery: 1_000,
}

/** The same within a minute. */
const quickLoad: QueueLoad = {
  ...whole,
  messages: 1_000,
  sandboxes: 8,
  requestsPerSecond: 40,
  burstSeconds: 5,
  timeoutMs: 12_000,
  visibilityTimeoutSeconds: 12,
  brokenEvery: 200,
}

/** Twice as many messages as the quota carries, through faults, deaths and second deliveries. */
export const queue: Bench = {
  summary: 'messages of SQS against half the quota they need: lost, given up, calls per message',
  options: {
    messages: { type: 'string' },
    sandboxes: { type: 'string' },
    'requests-per-second': { type: 'string' },
    burst: { type: 'string' },
  },
  usage: `  queue:
  --messages N             that are sent (${whole.messages})
  --sandboxes N            processes at most (${whole.sandboxes})
  --requests-per-second N  the quota; twice as many messages come (${whole.requestsPerSecond})
  --burst S                seconds of the quota that the provider allows at once (${whole.burstSeconds})`,
  async run({ quick, values = {}, progress }): Promise<BenchReport> {
    if (!hasRedis) throw new UsageError('The sandboxes meet in Redis: install redis-server.')
    const normal = quick ? quickLoad : whole
    const load: QueueLoad = {
      ...normal,
      messages: count(values, 'messages', normal.messages),
      sandboxes: count(values, 'sandboxes', normal.sandboxes),
      requestsPerSecond: count(values, 'requests-per-second', normal.requestsPerSecond),
      burstSeconds: count(values, 'burst', normal.burstSeconds),
    }
    const results = {} as Record<QueueArm, ArmResult>
    for (const arm of ['sluice', 'naive'] as const) results[arm] = await runArm(arm, load, progress)
    return { ...queueReport(results, load), voidReasons: voidReasons(results, load) }
  },
}

function count(values: Readonly<Record<string, unknown>>, name: string, fallback: number): number {
  const value = Number(values[name] ?? fallback)
  if (Number.isInteger(value) && value > 0) return value
  throw new UsageError(`--${name}: a whole number above 0, not "${String(values[name])}".`)
}
