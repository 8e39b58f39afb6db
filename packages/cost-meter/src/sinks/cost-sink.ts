/** Where records go. None of these places may disturb a call, and none may lose a record in silence. */

import { type Clock, type Scope, sleep } from '@sluice/core'
import type { CostRecord } from '../cost-record.ts'

/**
 * Takes each record as it is written. A promise is awaited at the end of the invocation, for a limited time.
 *
 * @example
 * ```ts
 * import type { CostSink } from '@sluice/cost-meter'
 *
 * export const printed: CostSink = (record) => {
 *   if (record.kind === 'call') console.log(record.tenant, record.cost.usd)
 * }
 * ```
 */
export type CostSink = (record: CostRecord) => void | Promise<void>

/** One function for all sinks, which never throws and warns once about each sink that fails. */
export function safely(
  sinks: readonly CostSink[],
  timeoutMs: number,
  clock: Clock,
): (record: CostRecord, scope: Scope) => void {
  const warned = new Set<CostSink>()

  function warn(sink: CostSink, error: unknown): void {
    if (warned.has(sink)) return
    warned.add(sink)
    // Only the name: the message may quote what it was given.
    const reason = error instanceof Error ? error.name : String(error)
    const name = sink.name ? `"${sink.name}"` : `number ${sinks.indexOf(sink) + 1}`
    process.emitWarning(
      `costMeter: the sink ${name} failed (${reason}). Records are missing there, or incomplete.`,
      'SluiceWarning',
    )
  }

  async function within(sink: CostSink, work: Promise<void>): Promise<void> {
    const done = new AbortController()
    const late = sleep(clock, timeoutMs, done.signal).then(() => warn(sink, `no answer in ${timeoutMs} ms`))
    const written = work.catch((error: unknown) => warn(sink, error))
    await Promise.race([written, late.catch(() => {})])
    done.abort()
  }

  return function emit(record, scope) {
    for (const sink of sinks) {
      try {
        const work = sink(record)
        if (work) scope.hold(within(sink, work))
      } catch (error) {
        warn(sink, error)
      }
    }
  }
}
