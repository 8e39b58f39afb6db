/** An account as sums: `totalAmount`, what is spent and reserved, and `r<n>`, what of it is reserved until the n-th half minute. */

import type { BudgetState } from './budget-store.ts'

/** By name. */
export type BudgetSums = ReadonlyMap<string, bigint>

const bucketMs = 30_000
/** Clocks may differ by so much before one adds to a sum that another removes. */
const skewMs = 10_000

/** How long after its expiry a reservation counts as spent, at most. */
export const budgetExpiryMs: number = bucketMs

/** The sum that a reservation is part of until it expires. */
export function reservedUntil(expiresAtMs: number): string {
  return `r${Math.floor(expiresAtMs / bucketMs)}`
}

/** What expired is spent without anybody writing that down: it is in the total, and its sum counts no more. */
export function budgetState(sums: BudgetSums, nowMs: number): BudgetState {
  let reserved = 0n
  for (const [name, amount] of sums) {
    if (endOf(name) > nowMs) reserved += amount
  }
  return { spent: (sums.get('totalAmount') ?? 0n) - reserved, reserved }
}

/** Sums that count no more. */
export function expiredSums(sums: BudgetSums, nowMs: number): string[] {
  return [...sums.keys()].filter((name) => endOf(name) + skewMs <= nowMs)
}

/** Sums below this number count no more. */
export function firstLiveSum(nowMs: number): number {
  return Math.floor((nowMs - skewMs) / bucketMs)
}

/** `NaN`, which is neither before nor after, for the total. */
function endOf(name: string): number {
  return name === 'totalAmount' ? Number.NaN : (Number(name.slice(1)) + 1) * bucketMs
}
