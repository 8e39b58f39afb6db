/** What the sandboxes learn about a provider from its refusals: less at once, and then less at all. */

import type { QuotaBelief } from '@sluice/store'

/** Thousandths that come back in a minute without refusals: slowly, because finding out costs a refusal each time. */
const recovery = 10
/** Of the quota, the least that is believed: the probing that finds out that there is more again. */
const leastRate = 100
const leastBurst = 50
const burstStep = 0.8
const rateStep = 0.85
/** Of the burst that is believed: who uses more of it was held back by the ledger itself. */
const full = 0.9
/** A burst above this has not been learned, or so long ago that it is as good as forgotten. */
const unlearned = 950
/** A refusal that comes so soon after the last says that a smaller burst did not help. One now and then happens. */
const soonMs = 120_000
/** Refusals in quick succession are one event, seen by several. */
const oneEventMs = 5_000

/** What is believed now: what was learned wears off. */
export function believed(belief: QuotaBelief, nowMs: number): QuotaBelief {
  if (belief.changedAtMs === 0) return belief
  const minutes = Math.max(0, nowMs - belief.changedAtMs) / 60_000
  return {
    ...belief,
    ratePermille: Math.min(1000, Math.floor(belief.ratePermille + minutes * recovery)),
    burstPermille: Math.min(1000, Math.floor(belief.burstPermille + minutes * recovery)),
  }
}

/** What a sandbox knows of a refusal: of what the ledger had let in, in thousandths of the configured burst. */
export interface Refusal {
  /** When the refused attempt asked the ledger, in milliseconds since the epoch. */
  readonly askedAtMs: number
  /** What was in use, as the ledger knew. */
  readonly usedPermille: number
  /** What the calls themselves need. */
  readonly leastBurstPermille: number
}

/**
 * After a refusal of what the ledger had let in. The provider holds less at once than is believed, or refills more
 * slowly. Where the ledger had room left, it is the burst: down to below what was in use, the first time; in small steps
 * from then on, because a burst of a few calls carries less than the rate, and what was in use is known a little late.
 * Where the ledger was full itself, soon after the last refusal, or the burst is as small as calls allow, it is the rate.
 *
 * @returns undefined when the refusal adds nothing to what is known
 */
export function lowered(
  belief: QuotaBelief,
  nowMs: number,
  { askedAtMs, usedPermille, leastBurstPermille }: Refusal,
): QuotaBelief | undefined {
  // Who was let in, or told when to start, before the last one says nothing new.
  if (nowMs - belief.changedAtMs < oneEventMs || askedAtMs < belief.changedAtMs) return undefined
  const { burstPermille, ratePermille, blockedUntilMs } = believed(belief, nowMs)
  const least = Math.min(1000, Math.max(leastBurst, Math.ceil(leastBurstPermille)))
  const changed = { blockedUntilMs, changedAtMs: nowMs }
  const wasFull = usedPermille >= full * burstPermille
  const again = nowMs - belief.changedAtMs < soonMs
  if (!(wasFull && again) && burstPermille > 2 * least) {
    const from = burstPermille > unlearned ? Math.min(burstPermille, usedPermille) : burstPermille
    return { ...changed, ratePermille, burstPermille: Math.max(least, Math.floor(burstStep * from)) }
  }
  return {
    ...changed,
    burstPermille,
    ratePermille: Math.max(leastRate, Math.floor(rateStep * ratePermille)),
  }
}

/** After a refusal for the day, or a probe that met one; 0 after one that did not. */
export function blocked(belief: QuotaBelief, nowMs: number, untilMs: number): QuotaBelief {
  return { ...believed(belief, nowMs), blockedUntilMs: untilMs, changedAtMs: nowMs }
}
