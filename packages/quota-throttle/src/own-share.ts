/** What one sandbox may use by itself: without a store, or while its store does not answer. */

import type { QuotaAnswer, QuotaLimits, QuotaSettlement, QuotaTake } from '@sluice/store'

export interface OwnShare {
  take(take: QuotaTake, limits: QuotaLimits, nowMs: number): QuotaAnswer
  settle(settlement: QuotaSettlement, limits: QuotaLimits, nowMs: number): void
  /** Tokens that may be taken at once; negative while there is a debt. */
  room(limits: QuotaLimits, nowMs: number): number
}

/**
 * A bucket for each limit, kept as the time at which it is full again. Who does not fit in is given a slot: it is
 * charged at once and starts when the bucket has caught up.
 */
export function ownShare(): OwnShare {
  const fullAtMs = { tokens: -Infinity, requests: -Infinity }

  function depthMs(kind: 'tokens' | 'requests', nowMs: number): number {
    return Math.max(0, fullAtMs[kind] - nowMs)
  }

  function charge(kind: 'tokens' | 'requests', durationMs: number, nowMs: number): void {
    fullAtMs[kind] = Math.max(fullAtMs[kind], nowMs) + durationMs
  }

  return {
    take({ id, tokens, maxWaitMs, force }, limits, nowMs) {
      const asked = { tokens, requests: 1 }
      let startInMs = 0
      for (const kind of ['tokens', 'requests'] as const) {
        const limit = limits[kind]
        if (!limit) continue
        const msEach = 60_000 / limit.perMinute
        const overMs = depthMs(kind, nowMs) + (asked[kind] - limit.burst) * msEach
        if (!force && (asked[kind] > limit.burst || overMs > maxWaitMs)) {
          const waitMs = asked[kind] > limit.burst ? Infinity : Math.ceil(overMs)
          return { id, state: 'refused', limit: kind, waitMs, overBy: Math.ceil(overMs / msEach) }
        }
        startInMs = Math.max(startInMs, overMs)
      }
      for (const kind of ['tokens', 'requests'] as const) {
        const limit = limits[kind]
        if (limit) charge(kind, (asked[kind] * 60_000) / limit.perMinute, nowMs)
      }
      if (force || startInMs === 0) return { id, state: 'admitted' }
      return { id, state: 'waiting', askInMs: Math.ceil(startInMs), startInMs: Math.ceil(startInMs) }
    },
    settle({ tokens, usedTokens, sent }, limits, nowMs) {
      if (limits.tokens) charge('tokens', ((usedTokens - tokens) * 60_000) / limits.tokens.perMinute, nowMs)
      if (limits.requests && !sent) charge('requests', -60_000 / limits.requests.perMinute, nowMs)
    },
    room({ tokens }, nowMs) {
      if (!tokens) return Infinity
      return Math.floor(tokens.burst - (depthMs('tokens', nowMs) * tokens.perMinute) / 60_000)
    },
  }
}
