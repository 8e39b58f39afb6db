/** Fair shares, roughly: what each tenant has claimed in an epoch of 5 s, in few counters that tenants are hashed to. */

import { type Item, numberOf } from './quota-item.ts'

export const epochMs = 5_000
/** What a limit brings back in an epoch. */
const epochMicros = epochMs * 1000
const slots = 64
/** In 5 s some tenants want more than others by chance. */
const evenTolerance = 1.5

export interface Claimant {
  readonly tenant: string
  readonly weight: number
}

/** The counter of a tenant. Each epoch mixes the tenants anew: who shares a counter with a greedy one does so for 5 s. */
export function counterOf(tenant: string, epoch: number): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(`${epoch}:${tenant}`)) hash = Math.imul(hash ^ byte, 0x01000193)
  return `t${epoch}_${(hash ^ (hash >>> 16)) & (slots - 1)}`
}

export function isCounter(attribute: string): boolean {
  return /^t\d+_\d+$/.test(attribute)
}

/** The weight of a counter's tenant, kept only where it is not 1. */
export function weightOf(counter: string): string {
  return `w${counter.slice(1)}`
}

export function epochOf(nowMs: number): number {
  return Math.floor(nowMs / epochMs)
}

/**
 * What a tenant may claim in an epoch while others want more than there is: its part of a division where whoever wanted
 * less than an equal part got that, and the rest is divided. `Infinity` for one who is alone.
 */
export function shareOf(item: Item, { tenant, weight }: Claimant, epoch: number): number {
  const before = countersOf(item, epoch - 1)
  const mine = counterOf(tenant, epoch - 1)
  const claims = before.filter(({ name }) => name !== mine)
  // In its first seconds a crowd is only in the counters of now.
  const others = claims.length > 0 ? claims : newcomers(item, tenant, epoch)
  if (others.length === 0) return Number.POSITIVE_INFINITY
  const equal = epochMicros / (weight + sumOf(others, 'weight'))
  let rest = epochMicros
  let weights = weight
  for (const other of others) {
    if (other.claimed < other.weight * equal) rest -= other.claimed
    else weights += other.weight
  }
  return Math.floor((rest / weights) * weight)
}

/**
 * What a tenant may claim in an epoch without being heavier than the others, by chance aside: with what it claimed in the
 * epoch before, half as much again as they did on average. 0 where that is not known.
 */
export function evenPartOf(item: Item, { tenant, weight }: Claimant, epoch: number): number {
  const before = countersOf(item, epoch - 1)
  const mine = counterOf(tenant, epoch - 1)
  const others = before.filter(({ name }) => name !== mine)
  if (others.length === 0) return 0
  const mean = sumOf(others, 'claimed') / sumOf(others, 'weight')
  const claimed = before.find(({ name }) => name === mine)?.claimed ?? 0
  return Math.floor(2 * evenTolerance * mean * weight - claimed)
}

function newcomers(item: Item, tenant: string, epoch: number) {
  return countersOf(item, epoch)
    .filter(({ name }) => name !== counterOf(tenant, epoch))
    .map((counter) => ({ ...counter, claimed: Number.POSITIVE_INFINITY }))
}

function countersOf(item: Item, epoch: number) {
  const prefix = `t${epoch}_`
  return Object.keys(item)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({
      name,
      claimed: numberOf(item, name) ?? 0,
      weight: numberOf(item, weightOf(name)) ?? 1,
    }))
}

function sumOf(counters: ReturnType<typeof countersOf>, what: 'claimed' | 'weight'): number {
  return counters.reduce((sum, counter) => sum + counter[what], 0)
}

/** Counters of epochs that nobody asks for any more. */
export function staleCounters(item: Item, epoch: number): string[] {
  return Object.keys(item).filter((name) => {
    const [, of] = /^[tw](\d+)_\d+$/.exec(name) ?? []
    return of !== undefined && Number(of) < epoch - 1
  })
}
