import { writeFile } from 'node:fs/promises'
import type { Bench, BenchReport } from '../bench.ts'
import { quotaOptions, quotaUsage, readOptions } from './options.ts'
import { plot, timelineOf } from './plot.ts'
import { quotaReport } from './report.ts'
import { type PolicyRun, runPolicy } from './run.ts'
import { scheduleOf } from './schedule.ts'
import { startStore } from './servers.ts'

/** Hundreds of sandboxes on one quota: how often the provider refuses, and what gets through. */
export const quota: Bench = {
  summary: 'one quota for many sandboxes: 429s, goodput, waits, fairness',
  options: quotaOptions,
  usage: quotaUsage,
  async run(benchOptions): Promise<BenchReport> {
    const { settings, factor, policies, trace, plot: plotFile } = readOptions(benchOptions)
    const { progress } = benchOptions
    // What arrives does not depend on when the run starts.
    const schedule = scheduleOf({ ...settings, compression: { originMs: 0, factor } }, trace)
    const runs: Record<string, PolicyRun> = {}
    const server = await startStore(settings.store)
    try {
      for (const policy of policies) {
        const seconds = Math.round(schedule.durationMs / factor / 1000)
        progress(`${policy}: ${settings.calls} calls in about ${seconds} s`)
        runs[policy] = await runPolicy(policy, settings, factor, schedule, server.address)
        const { attempts, throttled, successWithinDeadline } = runs[policy].figures
        progress(
          `${policy}: ${attempts} attempts, ${throttled} refused, ${successWithinDeadline.toFixed(4)} in time`,
        )
      }
    } finally {
      await server.close()
    }
    const voidReasons = tooLate(runs)
    if (plotFile !== undefined && (benchOptions.quick || voidReasons.length === 0)) {
      const timelines = Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, timelineOf(run)]))
      await writeFile(plotFile, plot(timelines, `Demand of ${settings.load} times the quota`))
    }
    const figures = Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, run.figures]))
    const arrivals = trace ? 'arrivals of the trace' : 'bursty Poisson arrivals'
    const { text, json } = quotaReport(figures, settings, factor, arrivals)
    const admitted = settings.calls / Math.max(1, settings.load)
    const few = !benchOptions.quick && 0.8 * admitted < fewestAttempts
    return {
      text: few ? `${text}\n\nNOT A RESULT: too few calls for 20,000 attempts.` : text,
      json,
      voidReasons,
    }
  },
}

/** What remains in doubt about a share of one in a thousand is then less than a fifth of it. */
const fewestAttempts = 20_000

/** Requests to a store are given up after half a second: who is later than that by himself measures himself. */
const mostLateMs = 400

function tooLate(runs: Readonly<Record<string, PolicyRun>>): string[] {
  return Object.entries(runs).flatMap(([name, { lateMs }]) =>
    lateMs <= mostLateMs
      ? []
      : [
          `${name}: a process of the bench stood still for ${lateMs} ms; the machine is too busy. Run again when it is ` +
            'quiet, or with a smaller --compress or --tokens-per-minute.',
        ],
  )
}
