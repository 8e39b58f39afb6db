/** One policy, from an empty ledger and a full quota to the last answer. */

import { compressedClock } from './compressed-time.ts'
import { type Figures, figuresOf, type Run, windowOf } from './figures.ts'
import type { PolicyName } from './policy.ts'
import { startProvider } from './provider.ts'
import type { Schedule } from './schedule.ts'
import type { StoreAddress } from './servers.ts'
import type { Settings } from './settings.ts'
import type { Orders } from './worker.ts'
import { startWorker, type WorkerProcess } from './worker-process.ts'

export interface PolicyRun extends Run {
  readonly figures: Figures
  /** The longest that a process of ours was late, in real milliseconds. */
  readonly lateMs: number
}

export async function runPolicy(
  policy: PolicyName,
  base: Omit<Settings, 'compression'>,
  factor: number,
  { arrivals, foreign, durationMs }: Schedule,
  address: StoreAddress,
): Promise<PolicyRun> {
  const originMs = Date.now()
  const settings: Settings = { ...base, compression: { originMs, factor } }
  const window = windowOf(durationMs)
  const provider = await startProvider(settings)
  const workers: WorkerProcess[] = []
  try {
    const ofWorker = (worker: number): Orders => ({
      ...{ settings, policy, url: provider.url, address, window },
      account: `${policy}-${originMs}`,
      sandboxes: Math.max(1, Math.round(settings.sandboxes / settings.workers)),
      arrivals: arrivals.filter((_, index) => index % settings.workers === worker),
      foreign: worker === 0 ? foreign : [],
    })
    for (let worker = 0; worker < settings.workers; worker++)
      workers.push(await startWorker(ofWorker(worker)))
    await provider.reset()
    const startMs = compressedClock(settings.compression).now() + factor * 100
    const reports = await Promise.all(workers.map((worker) => worker.run({ startMs })))
    const run: Run = {
      ...{ settings, startMs, durationMs, window },
      ...(await provider.account()),
      calls: reports.flatMap(({ calls }) => calls),
      operations: reports.reduce((sum, { operations }) => sum + operations, 0),
    }
    return { ...run, figures: figuresOf(run), lateMs: Math.max(...reports.map(({ lateMs }) => lateMs)) }
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
    await provider.close()
  }
}
