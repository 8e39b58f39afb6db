/**
 * How the line moves: what was charged and is not used is summed by the time at which it was charged, so that those who
 * were charged later, and only they, know how much of what was ahead of them is gone.
 */

import { type Item, numberOf } from './quota-item.ts'

const binMs = 5_000
/** What was charged longer ago was ahead of everybody who waits. */
const bins = 12
/** The names of bins come round after this many. */
const names = 1_000

export function binOf(nowMs: number): number {
  return Math.floor(nowMs / binMs)
}

/** The sum to which a refund is added, by the bin of its charge. */
export function refundOf(bin: number, nowMs: number): string {
  return binOf(nowMs) - bin > bins ? 'refundedMicros' : `r${bin % names}`
}

/** All that was given back by those who are ahead of one that was charged in a bin. Only differences mean something. */
export function refundedBefore(item: Item, bin: number): number {
  let sum = numberOf(item, 'refundedMicros') ?? 0
  for (let ahead = 1; ahead <= bins; ahead++) sum += numberOf(item, `r${(bin - ahead) % names}`) ?? 0
  return sum
}

/** Bins for which nobody can be waiting any more. */
export function staleRefunds(item: Item, nowMs: number): string[] {
  return Object.keys(item).filter((name) => {
    if (!/^r\d+$/.test(name)) return false
    const age = (binOf(nowMs) - Number(name.slice(1)) + names * names) % names
    return age > 2 * bins + 2 && age < names - 2
  })
}
