/** Amounts as time: how long a limit takes to bring them back, in whole microseconds. */

import type { RateLimit } from '../quota-store.ts'

/** Rounded up, so that rounding never lets in too much. 0 where there is no such limit. */
export function microsOf(amount: number, limit: RateLimit | undefined): number {
  return limit ? Math.ceil((amount * 60_000_000) / limit.perMinute) : 0
}

/** What comes back in that time, rounded down. */
export function amountOf(micros: number, limit: RateLimit): number {
  return Math.floor((micros * limit.perMinute) / 60_000_000)
}
