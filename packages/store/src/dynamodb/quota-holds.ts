/** What is held, until when: in the item as sums by time of expiry, and in the sandbox by id. */

import type { QuotaExtension, QuotaLimits, QuotaSettlement, QuotaTake } from '../quota-store.ts'
import type { Item } from './quota-item.ts'
import { microsOf } from './quota-micros.ts'
import { binOf } from './quota-refunds.ts'

/** Holds that expire within the same 30 s are given back together. */
const bucketMs = 30_000
/** Clocks may differ by 2 s in both directions: nobody adds to a bucket any more that somebody gives back. */
const skewMs = 4_000
/** Over how long sandboxes spread the giving back, so that not all of them try. */
const spreadMs = 2_000

/** In microseconds of the limits at the time of the take: a limit that changes since does not change what is given back. */
export interface Hold {
  readonly held: number
  /** What the holder has probably used when it does not come back. */
  readonly expected: number
  /** What its request takes of the limit of requests. */
  readonly requests: number
  readonly bucket: string
  /** When it was charged. */
  readonly bin: number
  readonly limits: QuotaLimits
}

export interface EndedHold {
  readonly hold: Hold
  readonly used: number
  readonly sent: boolean
}

export interface ExtendedHold {
  readonly hold: Hold
  readonly next: Hold
}

export function holdOf(take: QuotaTake, limits: QuotaLimits, nowMs: number): Hold {
  return {
    held: microsOf(take.tokens, limits.tokens),
    expected: microsOf(take.expectedTokens, limits.tokens),
    requests: microsOf(1, limits.requests),
    bucket: bucketOf(take.expiresAtMs, nowMs),
    bin: binOf(nowMs),
    limits,
  }
}

/** The attribute with what is given back when its time is over: the sum of `held - expected`. */
function bucketOf(expiresAtMs: number, nowMs: number): string {
  return `g${Math.floor(Math.max(expiresAtMs, nowMs) / bucketMs)}`
}

function bucketNumber({ bucket }: Hold): number {
  return Number(bucket.slice(1))
}

/** Whether holds of a bucket count as lost; from then on nobody adds to it. */
export function isExpired(bucket: string, nowMs: number, lateMs = 0): boolean {
  return (Number(bucket.slice(1)) + 1) * bucketMs + skewMs + lateMs <= nowMs
}

/** Buckets whose holders are dead, and which this sandbox is to give back. */
export function lostBuckets(item: Item, nowMs: number, random: () => number): string[] {
  return Object.keys(item).filter(
    (name) => /^g\d+$/.test(name) && isExpired(name, nowMs, random() * spreadMs),
  )
}

/** The longest time from the expiry of a hold until somebody who looks gives it back. */
export const reclaimMs: number = bucketMs + skewMs + spreadMs

/** A guess until something is known. */
const firstMeanMs = 5_000

/** The holds of this sandbox. Those that it forgets, and those of others, are reckoned from what the caller says. */
export interface HoldsByID {
  /** How long holds last here, on average. */
  meanMs(): number
  add(take: QuotaTake, hold: Hold): void
  /** It waited, and runs now. */
  start(id: string): void
  /** Undefined for one that ended before. */
  end(settlement: QuotaSettlement, limits: QuotaLimits): EndedHold | undefined
  extend(extension: QuotaExtension, limits: QuotaLimits): ExtendedHold | undefined
  /** Of one that waits for longer than was foreseen; undefined where its hold lasts until it starts. */
  renew(take: QuotaTake, startsByMs: number, limits: QuotaLimits): ExtendedHold | undefined
}

export function holdsByID(now: () => number): HoldsByID {
  /** By id; without a hold: ended. In the order of their starts, so that the oldest are forgotten first. */
  const entries = new Map<
    string,
    { readonly hold: Hold | undefined; readonly expiresAtMs: number; readonly atMs: number }
  >()
  let meanMs = firstMeanMs

  function forgetExpired(): void {
    const nowMs = now()
    for (const [id, { expiresAtMs }] of entries) {
      if (expiresAtMs + 10 * bucketMs > nowMs) return
      entries.delete(id)
    }
  }

  /** Undefined when it ended; of one that is not known, probably all is used as it was expected. */
  function find(known: QuotaSettlement | QuotaExtension, expectedTokens: number, limits: QuotaLimits) {
    const entry = entries.get(known.id)
    if (entry) return entry.hold
    return {
      held: microsOf(known.tokens, limits.tokens),
      expected: microsOf(expectedTokens, limits.tokens),
      requests: microsOf(1, limits.requests),
      bucket: bucketOf(known.expiresAtMs, 0),
      // Whoever was charged before now may be ahead of it.
      bin: binOf(now()),
      limits,
    }
  }

  function extend(extension: QuotaExtension, limits: QuotaLimits): ExtendedHold | undefined {
    const { id, expectedTokens, nextExpiresAtMs } = extension
    const hold = find(extension, expectedTokens, limits)
    if (!hold) return undefined
    const next = {
      ...hold,
      expected: microsOf(expectedTokens, hold.limits.tokens),
      bucket: bucketOf(nextExpiresAtMs, now()),
    }
    // Holds of a bucket expire together: as long as it is the same one, nothing has to be written.
    const kept = entries.has(id) && bucketNumber(next) <= bucketNumber(hold)
    const atMs = entries.get(id)?.atMs ?? now()
    entries.set(id, { hold: kept ? hold : next, expiresAtMs: nextExpiresAtMs, atMs })
    return kept ? undefined : { hold, next }
  }

  return {
    extend,
    renew(take, startsByMs, limits) {
      const hold = entries.get(take.id)?.hold
      if (!hold || !isExpired(hold.bucket, startsByMs)) return undefined
      return extend({ ...take, nextExpiresAtMs: Math.max(take.expiresAtMs, startsByMs) }, limits)
    },
    meanMs: () => Math.max(1, meanMs),
    add({ id, expiresAtMs }, hold) {
      forgetExpired()
      entries.set(id, { hold, expiresAtMs, atMs: now() })
    },
    start(id) {
      const entry = entries.get(id)
      if (entry) entries.set(id, { ...entry, atMs: now() })
    },
    end(settlement, limits) {
      const { id, usedTokens, sent, expiresAtMs } = settlement
      const hold = find(settlement, usedTokens, limits)
      if (!hold) return undefined
      const atMs = entries.get(id)?.atMs
      if (atMs !== undefined && sent) meanMs += (now() - atMs - meanMs) / 10
      entries.set(id, { hold: undefined, expiresAtMs, atMs: now() })
      return { hold, used: microsOf(usedTokens, hold.limits.tokens), sent }
    },
  }
}
