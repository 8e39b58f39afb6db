/** Amounts as time: how long a limit takes to bring them back, in whole microseconds. */

import type { QuotaLimits, RateLimit } from '../quota-store.ts'

/** Rounded up, so that rounding never lets in too much. 0 where there is no such limit. */
export function microsOf(amount: number, limit: RateLimit | undefined): number {
  return limit ? Math.ceil((amount * 60_000_000) / limit.perMinute) : 0
}

/** What comes back in that time, rounded down. */
export function amountOf(micros: number, limit: RateLimit): number {
  return Math.floor((micros * limit.perMinute) / 60_000_000)
}

/** The most that is taken at once, as time. */
export interface Bursts {
  readonly tokens: number
  readonly requests: number
}

export function burstsOf({ tokens, requests }: QuotaLimits): Bursts {
  return { tokens: microsOf(tokens?.burst ?? 0, tokens), requests: microsOf(requests?.burst ?? 0, requests) }
}
