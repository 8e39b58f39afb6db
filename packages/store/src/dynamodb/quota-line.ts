/** Places in line, and how long they will take. */

import type { QuotaAnswer, QuotaLimits, QuotaTake, QuotaView } from '../quota-store.ts'
import { noBelief } from '../quota-store.ts'
import {
  emptyUpdate,
  expectedAt,
  type Item,
  type ItemUpdate,
  numberOf,
  requestsAt,
  tokensAt,
} from './quota-item.ts'
import { amountOf, type Bursts, burstsOf } from './quota-micros.ts'
import { type Charge, isSure } from './quota-plan.ts'
import { binOf, refundedBefore, refundOf } from './quota-refunds.ts'
import { hasSlack, slackOf } from './quota-slack.ts'

/** A charge that is made already, and starts when its limits have brought back enough. All in microseconds. */
interface Place {
  readonly bookedAt: number
  /** What it takes of the tokens. */
  readonly cost: number
  /** What those ahead of it will probably give back. */
  readonly unused: number
  /** `tokensAt` and what was refunded ahead of it, right after it was booked. */
  readonly tokens: number
  readonly refunded: number
  readonly requests: number
  /** How often its holder has asked. */
  readonly asked: number
}

/** Clocks may differ by 2 s in both directions: nobody is late by less. */
const skewMicros = 4_000_000

/** The answers to takes that were charged together, from the item as the charge left it. */
export function answersTo(
  charges: readonly Charge[],
  item: Item,
  limits: QuotaLimits,
  bursts: Bursts,
  nowMs: number,
  meanHoldMs: number,
): QuotaAnswer[] {
  const position = { tokens: numberOf(item, tokensAt) ?? 0, requests: numberOf(item, requestsAt) ?? 0 }
  let expected = numberOf(item, expectedAt) ?? 0
  const answers = charges.toReversed().map(({ take, hold }): QuotaAnswer => {
    const { id, force } = take
    const place: Place = {
      ...position,
      bookedAt: nowMs * 1000,
      cost: hold.held,
      unused: Math.max(0, position.tokens - hold.held - (expected - hold.expected)),
      refunded: refundedBefore(item, binOf(nowMs)),
      asked: 0,
    }
    position.tokens -= hold.held
    position.requests -= hold.requests
    expected -= hold.expected
    const startIn = startOf(place, item, limits, bursts, nowMs)
    if (force || startIn <= 0) return { id, state: 'admitted' }
    const { unused } = place
    // Who starts without asking must not find that the line has moved past it: room cannot be saved up.
    if (2 * unused <= bursts.tokens - hold.held && startIn <= take.maxWaitMs * 1000)
      return waiting(id, place, startIn, startIn)
    const needsRequests = place.requests - bursts.requests - nowMs * 1000
    const probably = Math.max(
      probableWait(startIn, unused, atOnceOf(take, limits), meanHoldMs),
      needsRequests,
    )
    return waiting(id, place, undefined, Math.min(startIn, probably))
  })
  return answers.reverse()
}

/**
 * The line moves by the time that passes, and by what those who run give back: all of it within the time for which one
 * runs, but no more than fits in the bucket at once.
 */
function probableWait(startIn: number, unused: number, atOnce: number, meanHoldMs: number): number {
  return Math.max(startIn - unused, startIn / (1 + Math.min(unused, atOnce) / (meanHoldMs * 1000)))
}

/** What those who run at once can give back, if all are like this one. */
function atOnceOf({ tokens, expectedTokens }: QuotaTake, limits: QuotaLimits): number {
  return tokens > 0 ? burstsOf(limits).tokens * Math.max(0, 1 - expectedTokens / tokens) : 0
}

/** What a waiter is told that asks again; with an update, it may only start once that is made. */
export function answerAgain(
  take: QuotaTake,
  item: Item,
  limits: QuotaLimits,
  nowMs: number,
  meanHoldMs: number,
): { readonly answer: QuotaAnswer; readonly update?: ItemUpdate } {
  const { id, maxWaitMs, ticket } = take
  const place = placeOf(ticket ?? '') as Place
  const nowMicros = nowMs * 1000
  const moved = movedBy(place, item)
  const startIn = startOf(place, item, limits, usable(item, limits), nowMs)
  if (startIn <= 0) {
    const late = limits.tokens ? nowMicros - skewMicros - (place.tokens - moved - place.cost) : 0
    return {
      answer: { id, state: 'admitted' },
      ...(late > 0 && { update: movedBack(item, place, Math.ceil(late), nowMs) }),
    }
  }
  const unused = Math.max(0, place.unused - moved)
  // Hope is for those who have time left: who has none would ask again and again.
  const atLeast = maxWaitMs === 0 ? startIn : startIn - unused
  if (atLeast > maxWaitMs * 1000) {
    return { answer: refused(id, 'tokens', atLeast, amountIn(startIn, limits.tokens)) }
  }
  // The more often it was wrong before, the more it adds: an eighth of the time for which one runs.
  const soon = probableWait(startIn, unused, atOnceOf(take, limits), meanHoldMs)
  const probably = Math.min(startIn, soon + (place.asked + 1) * meanHoldMs * 125)
  return { answer: waiting(id, { ...place, asked: place.asked + 1 }, undefined, probably) }
}

/**
 * Somebody who starts late, after the line had moved past it, starts now: the bucket was full meanwhile, and what came
 * back was lost. So the line behind it moves back. One at a time: who is behind is less late then.
 */
function movedBack(item: Item, place: Place, micros: number, nowMs: number): ItemUpdate {
  const update = emptyUpdate()
  const before = numberOf(item, lateness)
  update.conditions.push([
    before === undefined
      ? { attribute: lateness, is: 'absent' }
      : { attribute: lateness, is: '=', value: before },
  ])
  update.adds[lateness] = micros
  update.adds[tokensAt] = micros
  update.adds[expectedAt] = micros
  update.adds[refundOf(binOf(place.bookedAt / 1000), nowMs)] = -micros
  return update
}

/** All that was ever lost by starting late. */
const lateness = 'lateMicros'

/** Why a take does not fit, in the item as it is. */
export function refusalOf(
  { take: { id, maxWaitMs }, hold }: Charge,
  item: Item,
  limits: QuotaLimits,
  nowMs: number,
): QuotaAnswer | undefined {
  const nowMicros = nowMs * 1000
  const whole = burstsOf(limits)
  const shortOf = (attribute: string, burst: number, cost: number) =>
    Math.max((numberOf(item, attribute) ?? 0) + slackOf(burst, hasSlack(item)), nowMicros) +
    cost -
    burst -
    nowMicros
  const tokens = shortOf(tokensAt, whole.tokens, hold.held)
  const requests = shortOf(requestsAt, whole.requests, hold.requests)
  const probably = shortOf(expectedAt, whole.tokens, hold.held)
  const wait = maxWaitMs === 0 || isSure(hold) ? tokens : Math.min(tokens, probably)
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

/** When a place starts at the latest, in milliseconds since the epoch. */
export function startsBy({ ticket }: QuotaTake, item: Item, limits: QuotaLimits): number {
  const { tokens, requests } = placeOf(ticket ?? '') as Place
  const burst = usable(item, limits)
  return Math.max(tokens - burst.tokens, requests - burst.requests) / 1000
}

/** The ledger as its users see it. */
export function viewOf(item: Item, limits: QuotaLimits, nowMs: number): QuotaView {
  const nowMicros = nowMs * 1000
  const burst = burstsOf(limits)
  const roomOf = (limit: QuotaLimits['tokens'], attribute: string, burstMicros: number) => {
    if (!limit) return Number.POSITIVE_INFINITY
    const at = Math.max((numberOf(item, attribute) ?? 0) + slackOf(burstMicros, hasSlack(item)), nowMicros)
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

/** How far the line has moved, besides by the time that passed. */
function movedBy(place: Place, item: Item): number {
  return refundedBefore(item, binOf(place.bookedAt / 1000)) - place.refunded
}

/** What is taken at once of limits that are not idle. */
function usable(item: Item, limits: QuotaLimits): Bursts {
  const { tokens, requests } = burstsOf(limits)
  const slack = hasSlack(item)
  return { tokens: tokens - slackOf(tokens, slack), requests: requests - slackOf(requests, slack) }
}

/** In how many microseconds it starts at the latest; not above 0: now. */
function startOf(place: Place, item: Item, limits: QuotaLimits, burst: Bursts, nowMs: number): number {
  return Math.max(
    limits.tokens ? place.tokens - movedBy(place, item) - burst.tokens - nowMs * 1000 : 0,
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

function waiting(id: string, place: Place, startIn: number | undefined, askIn: number): QuotaAnswer {
  const { bookedAt, cost, unused, tokens, refunded, requests, asked } = place
  return {
    id,
    state: 'waiting',
    askInMs: Math.max(1, Math.ceil(askIn / 1000)),
    ...(startIn !== undefined && { startInMs: Math.ceil(startIn / 1000) }),
    ticket: `p:${[bookedAt, cost, unused, tokens, refunded, requests, asked].join(':')}`,
  }
}

function placeOf(ticket: string): Place | undefined {
  if (!ticket.startsWith('p:')) return undefined
  const numbers = ticket.slice(2).split(':').map(Number)
  const [bookedAt = 0, cost = 0, unused = 0, tokens = 0, refunded = 0, requests = 0, asked = 0] = numbers
  return { bookedAt, cost, unused, tokens, refunded, requests, asked }
}
