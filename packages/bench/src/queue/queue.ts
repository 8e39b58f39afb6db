import { hasRedis } from '../../../store/src/fixtures/redis-server.ts'
import { type Bench, type BenchReport, UsageError } from '../bench.ts'
import { type QueueLoad, quickLoad, wholeLoad } from './load.ts'
import { queueReport, voidReasons } from './report.ts'
import { type ArmResult, type QueueArm, runArm } from './run-arm.ts'

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
  --messages N             that are sent (${wholeLoad.messages})
  --sandboxes N            processes at most (${wholeLoad.sandboxes})
  --requests-per-second N  the quota; twice as many messages come (${wholeLoad.requestsPerSecond})
  --burst S                seconds of the quota that the provider allows at once (${wholeLoad.burstSeconds})`,
  async run({ quick, values = {}, progress }): Promise<BenchReport> {
    if (!hasRedis) throw new UsageError('The sandboxes meet in Redis: install redis-server.')
    const normal = quick ? quickLoad : wholeLoad
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
