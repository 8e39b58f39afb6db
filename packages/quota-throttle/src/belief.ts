/** What the sandboxes learn about a provider from its refusals: less at once, and then less at all. */

import type { QuotaBelief } from '@sluice/store'

/** Thousandths that come back in a minute without refusals: slowly, because finding out costs a refusal each time. */
const recovery = 10
/** Of the quota, the least that is believed: the probing that finds out that there is more again. */
const leastRate = 100
const leastBurst = 50
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

/**
 * After a refusal of what the ledger had let in. The provider holds less at once than is believed, or refills more
 * slowly, and one refusal does not tell which: first the burst goes down, to below what was in use, and, once that
 * is as small as calls allow, the rate.
 *
 * @param usedPermille what was in use of the configured burst, in thousandths
 * @param leastBurstPermille what the calls themselves need of it
 * @returns undefined when the refusal adds nothing to what is known
 */
export function lowered(
  belief: QuotaBelief,
  nowMs: number,
  usedPermille: number,
  leastBurstPermille: number,
): QuotaBelief | undefined {
  if (nowMs - belief.changedAtMs < oneEventMs) return undefined
  const { burstPermille, ratePermille, blockedUntilMs } = believed(belief, nowMs)
  const least = Math.min(1000, Math.max(leastBurst, Math.ceil(leastBurstPermille)))
  const changed = { blockedUntilMs, changedAtMs: nowMs }
  // What has come back since by itself is no reason to begin with the burst again.
  if (burstPermille > 2 * least) {
    const inUse = Math.min(burstPermille, Math.max(usedPermille, least))
    return { ...changed, ratePermille, burstPermille: Math.max(least, Math.floor(inUse * 0.8)) }
  }
  return {
    ...changed,
    burstPermille: Math.min(burstPermille, least),
    ratePermille: Math.max(leastRate, Math.floor(ratePermille * 0.85)),
  }
}

/** After a refusal for the day, or a probe that met one; 0 after one that did not. */
export function blocked(belief: QuotaBelief, nowMs: number, untilMs: number): QuotaBelief {
  return { ...believed(belief, nowMs), blockedUntilMs: untilMs, changedAtMs: nowMs }
}
