/** Slices of a rolling window that are over: read from the store, and not more often than they change. */

import type { BudgetStore } from '@sluice/store'
import type { OlderSlice } from './period.ts'

/** What was spent in a slice, and when it leaves the window. */
export interface OlderSum {
  readonly total: bigint
  readonly leavesAtMs: number
}

/** They change only by settlements: what was read is good for so long, */
const freshMs = 10_000
/** and to the end once no attempt of that time can run any more. */
const settledMs = 20 * 60_000
const maxKept = 10_000

export function olderSlices(store: BudgetStore) {
  const kept = new Map<string, { readonly total: Promise<bigint>; readonly goodUntilMs: number }>()

  function totalOf(key: string, { endsAtMs, leavesAtMs }: OlderSlice, nowMs: number): Promise<bigint> {
    const found = kept.get(key)
    if (found && nowMs < found.goodUntilMs) return found.total
    if (kept.size >= maxKept) kept.clear()
    const total = store
      .read({ key, limit: 0n, forgetAtMs: leavesAtMs })
      .then(({ spent, reserved }) => spent + reserved)
    kept.set(key, { total, goodUntilMs: nowMs < endsAtMs + settledMs ? nowMs + freshMs : leavesAtMs })
    total.catch(() => kept.delete(key))
    return total
  }

  return (
    slices: readonly OlderSlice[],
    keyOf: (spanId: string) => string,
    nowMs: number,
  ): Promise<OlderSum[]> =>
    Promise.all(
      slices.map(async (slice) => ({
        total: await totalOf(keyOf(slice.id), slice, nowMs),
        leavesAtMs: slice.leavesAtMs,
      })),
    )
}
