/** Places in line, and how long they will take. */

import type { QuotaAnswer, QuotaLimits, QuotaTake, QuotaView } from '../quota-store.ts'
import { noBelief } from '../quota-store.ts'
import { type Item, numberOf } from './quota-item.ts'
import { amountOf, microsOf } from './quota-micros.ts'
import { type Charge, expectedAt, refunded, requestsAt, tokensAt } from './quota-plan.ts'

/** A charge that is made already, and starts when its limits have brought back enough. All in microseconds. */
interface Place {
  readonly bookedAt: number
  /** `tokensAt` and `refunded` right after it was booked. */
  readonly tokens: number
  readonly refunded: number
  readonly requests: number
  /** How often its holder has asked. */
  readonly asked: number
}

/** After so many questions a waiter waits for the time at which it starts in any case. */
const maxAsked = 2

/** The answers to takes that were charged together, from the item as the charge left it. */
export function answersTo(
  charges: readonly Charge[],
  item: Item,
  limits: QuotaLimits,
  nowMs: number,
): QuotaAnswer[] {
  const position = { tokens: numberOf(item, tokensAt) ?? 0, requests: numberOf(item, requestsAt) ?? 0 }
  let expected = numberOf(item, expectedAt) ?? 0
  const answers = charges.toReversed().map(({ take: { id, force }, hold }): QuotaAnswer => {
    const place: Place = {
      ...position,
      bookedAt: nowMs * 1000,
      refunded: numberOf(item, refunded) ?? 0,
      asked: 0,
    }
    position.tokens -= hold.held
    position.requests -= hold.requests
    expected -= hold.expected
    const startIn = startOf(place, item, limits, nowMs)
    if (force || startIn <= 0) return { id, state: 'admitted' }
    const probably = expected + hold.held - burstOf(limits).tokens - nowMs * 1000
    const needsRequests = place.requests - burstOf(limits).requests - nowMs * 1000
    return waiting(id, place, startIn, Math.max(between(probably, startIn), needsRequests))
  })
  return answers.reverse()
}

/** What a waiter is told that asks again. */
export function answerAgain(
  { id, maxWaitMs, ticket }: QuotaTake,
  item: Item,
  limits: QuotaLimits,
  nowMs: number,
): QuotaAnswer {
  const place = placeOf(ticket ?? '') as Place
  const startIn = startOf(place, item, limits, nowMs)
  if (startIn <= 0) return { id, state: 'admitted' }
  // As fast as the line moved so far: by the time that passed, and by what was given back.
  const elapsed = Math.max(1, nowMs * 1000 - place.bookedAt)
  const moved = Math.max(0, (numberOf(item, refunded) ?? 0) - place.refunded)
  const probably = place.asked + 1 < maxAsked ? startIn / (1 + moved / elapsed) : startIn
  const asked = { ...place, asked: place.asked + 1 }
  if (probably > maxWaitMs * 1000) {
    return refused(id, 'tokens', probably, amountIn(startIn, limits.tokens))
  }
  return waiting(id, asked, startIn, probably)
}

/** Why a take does not fit, in the item as it is. */
export function refusalOf(
  { take: { id, maxWaitMs }, hold }: Charge,
  item: Item,
  limits: QuotaLimits,
  nowMs: number,
): QuotaAnswer | undefined {
  const nowMicros = nowMs * 1000
  const burst = burstOf(limits)
  const tokens = Math.max(numberOf(item, tokensAt) ?? 0, nowMicros) + hold.held - burst.tokens - nowMicros
  const requests =
    Math.max(numberOf(item, requestsAt) ?? 0, nowMicros) + hold.requests - burst.requests - nowMicros
  const probably = Math.max(numberOf(item, expectedAt) ?? 0, nowMicros) + hold.held - burst.tokens - nowMicros
  const wait = maxWaitMs === 0 ? tokens : Math.min(tokens, probably)
  if (limits.requests && requests > maxWaitMs * 1000 && requests >= wait) {
    return refused(id, 'requests', requests, amountIn(requests, limits.requests))
  }
  if (limits.tokens && wait > maxWaitMs * 1000) {
    return refused(id, 'tokens', between(probably, tokens), amountIn(tokens, limits.tokens))
  }
  return undefined
}

/** A take of more than there ever is. */
export function impossible({ id, tokens, force }: QuotaTake, limits: QuotaLimits): QuotaAnswer | undefined {
  if (force) return undefined
  const over = (limit: 'tokens' | 'requests', by: number): QuotaAnswer => ({
    id,
    state: 'refused',
    limit,
    waitMs: Number.POSITIVE_INFINITY,
    overBy: by,
  })
  if (limits.tokens && tokens > limits.tokens.burst) return over('tokens', tokens - limits.tokens.burst)
  if (limits.requests && limits.requests.burst < 1) return over('requests', 1 - limits.requests.burst)
  return undefined
}

export function isPlace(ticket: string | undefined): boolean {
  return ticket !== undefined && placeOf(ticket) !== undefined
}

/** The ledger as its users see it. */
export function viewOf(item: Item, limits: QuotaLimits, nowMs: number): QuotaView {
  const nowMicros = nowMs * 1000
  const burst = burstOf(limits)
  const roomOf = (limit: QuotaLimits['tokens'], attribute: string, burstMicros: number) => {
    if (!limit) return Number.POSITIVE_INFINITY
    const at = Math.max(numberOf(item, attribute) ?? 0, nowMicros)
    return amountOf(nowMicros + burstMicros - at, limit)
  }
  const tokens = roomOf(limits.tokens, tokensAt, burst.tokens)
  const mode = item.quotaMode
  return {
    tokens,
    requests: roomOf(limits.requests, requestsAt, burst.requests),
    waitingTokens: Math.max(0, -tokens),
    belief: {
      ratePermille: numberOf(item, 'ratePermille') ?? noBelief.ratePermille,
      burstPermille: numberOf(item, 'burstPermille') ?? noBelief.burstPermille,
      blockedUntilMs: numberOf(item, 'blockedUntilMs') ?? noBelief.blockedUntilMs,
      changedAtMs: numberOf(item, 'changedAtMs') ?? noBelief.changedAtMs,
    },
    mode: mode === 'enforce' || mode === 'observe' || mode === 'off' ? mode : undefined,
  }
}

function burstOf({ tokens, requests }: QuotaLimits): { tokens: number; requests: number } {
  return { tokens: microsOf(tokens?.burst ?? 0, tokens), requests: microsOf(requests?.burst ?? 0, requests) }
}

/** In how many microseconds it starts at the latest; not above 0: now. */
function startOf(place: Place, item: Item, limits: QuotaLimits, nowMs: number): number {
  const burst = burstOf(limits)
  const forward = (numberOf(item, refunded) ?? 0) - place.refunded
  return Math.max(
    limits.tokens ? place.tokens - forward - burst.tokens - nowMs * 1000 : 0,
    limits.requests ? place.requests - burst.requests - nowMs * 1000 : 0,
  )
}

/** Who runs gives back what it does not need, but only at its end. */
function between(probably: number, atTheLatest: number): number {
  const soonest = Math.max(0, Math.min(probably, atTheLatest))
  return soonest + (atTheLatest - soonest) / 4
}

function amountIn(micros: number, limit: QuotaLimits['tokens']): number {
  return limit ? Math.max(1, Math.ceil((micros * limit.perMinute) / 60_000_000)) : 1
}

function refused(id: string, limit: 'tokens' | 'requests', micros: number, overBy: number): QuotaAnswer {
  return { id, state: 'refused', limit, waitMs: Math.max(1, Math.ceil(micros / 1000)), overBy }
}

function waiting(id: string, place: Place, startIn: number, askIn: number): QuotaAnswer {
  const startInMs = Math.ceil(startIn / 1000)
  const askInMs = Math.min(startInMs, Math.max(1, Math.ceil(askIn / 1000)))
  const { bookedAt, tokens, refunded, requests, asked } = place
  return {
    id,
    state: 'waiting',
    askInMs,
    startInMs,
    ticket: `p:${[bookedAt, tokens, refunded, requests, asked].join(':')}`,
  }
}

function placeOf(ticket: string): Place | undefined {
  if (!ticket.startsWith('p:')) return undefined
  const [bookedAt = 0, tokens = 0, refunded = 0, requests = 0, asked = 0] = ticket
    .slice(2)
    .split(':')
    .map(Number)
  return { bookedAt, tokens, refunded, requests, asked }
}
