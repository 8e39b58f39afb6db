/** From what is to be done to one conditional update of the item. Pure. */

import type { QuotaLimits, QuotaTake } from '../quota-store.ts'
import type { EndedHold, ExtendedHold, Hold } from './quota-holds.ts'
import {
  add,
  type Condition,
  emptyUpdate,
  expectedAt,
  holdsFor,
  type Item,
  type ItemUpdate,
  numberOf,
  requestsAt,
  tokensAt,
} from './quota-item.ts'
import { type Bursts, burstsOf } from './quota-micros.ts'
import { staleRefunds } from './quota-refunds.ts'
import { settle } from './quota-settle.ts'
import { counterOf, epochOf, evenPartOf, shareOf, staleCounters, weightOf } from './quota-shares.ts'
import { hasSlack, markSlack, slackEnds, slackOf } from './quota-slack.ts'

/** An item, and when it was so. */
export interface Sight {
  readonly item: Item
  readonly seenAtMs: number
  /** When it was asked for. */
  readonly askedAtMs: number
}

/** A take, in microseconds. */
export interface Charge {
  readonly take: QuotaTake
  readonly hold: Hold
  /** Its tenant's share has been claimed before. */
  readonly claimed: boolean
}

/** What one update is to do, in this order. */
export interface Work {
  readonly limits: QuotaLimits
  readonly ended: readonly EndedHold[]
  readonly extended: readonly ExtendedHold[]
  readonly charges: readonly Charge[]
  /** Leaves slack, because a guess went wrong. */
  readonly slack?: boolean
}

export interface Plan {
  /** The item as it probably is now. */
  readonly view: Item
  readonly update: ItemUpdate
  /** What it takes to let all in; undefined: not even an empty ledger would. */
  readonly admission: readonly Condition[] | undefined
  /** What may be taken at once. */
  readonly bursts: Bursts
}

/** What a take claims of its tenant's share: of the limit that it needs more of. */
export function claimOf({ expected, requests }: Hold): number {
  return Math.max(expected, requests)
}

/** A claim that would pass the share by less than half of it is within: rounded, not cut, or shares would be lost. */
export function withinShare(claimed: number, claim: number, share: number): boolean {
  return claimed + claim / 2 <= share
}

/**
 * Whether its place in line tells when it starts. Where holds are more than twice what is used, nearly all comes back, and
 * who waits may hope for that; so it asks again.
 */
export function isSure({ held, expected }: Hold): boolean {
  return held <= 2 * expected
}

/** Batch work counts half, so that it stands behind and never stands still. */
export function weightOfTake({ weight, priority }: QuotaTake): number {
  return priority === 'batch' ? weight / 2 : weight
}

/** Up to which part of the burst everybody may go, whatever its share: the rest is for those who are within theirs. */
function openPart({ priority }: QuotaTake): number {
  return priority === 'batch' ? 0.25 : 0.75
}

/**
 * Plans for the item as it probably is now: as full as it was when it was seen. The conditions see to it that the update
 * is right for what it is.
 */
export function planUpdate({ item, seenAtMs, askedAtMs }: Sight, work: Work, nowMs: number): Plan {
  const { limits, ended, extended, charges } = work
  const nowMicros = nowMs * 1000
  const view = aged(item, nowMs - seenAtMs)
  const update = emptyUpdate()
  const slack = work.slack === true || hasSlack(item)
  const whole = burstsOf(limits)
  const settled = settle(update, view, ended, extended, nowMs)
  for (const { hold } of charges) {
    add(update, hold.bucket, hold.held - hold.expected)
  }
  const tokens = limitOf(
    tokensAt,
    whole.tokens,
    settled.tokens,
    sumOf(charges, ({ held }) => held),
  )
  const expected = follow(
    tokens,
    settled.expected,
    sumOf(charges, ({ expected }) => expected),
  )
  const requests = limitOf(
    requestsAt,
    whole.requests,
    settled.requests,
    sumOf(charges, ({ requests }) => requests),
  )
  const bursts = { tokens: tokens.burst, requests: requests.burst }

  /** One limit has one of two updates: time that passes is not saved up in a bucket that is full. */
  function limitOf(attribute: string, burst: number, change: number, taken: number): Limit {
    const kept = slackOf(burst, slack)
    // All of the burst is there when nothing can be saved up.
    const whole = taken > burst - kept || slackEnds(item, nowMs)
    const from = nowMicros + Math.max(0, -change)
    // Compared with the time at which it was asked for, as conditions are: else slow answers would make it look full.
    const at = (numberOf(item, attribute) ?? 0) + (nowMs - askedAtMs) * 1000
    // Far from where either update fails.
    const idle = at < from - (whole ? kept : kept / 2)
    const limit = { attribute, change, from, idle, burst: idle && whole ? burst : burst - kept }
    // A full bucket may be given back to: that leaves it full.
    if (taken === 0 && change <= 0) {
      if (change < 0) add(update, attribute, change)
      return { ...limit, idle: false }
    }
    update.conditions.push(
      idle
        ? [
            { attribute, is: 'absent' },
            { attribute, is: '<', value: whole ? from - kept : from },
          ]
        : [{ attribute, is: '>=', value: from - kept }],
    )
    if (idle) update.sets[attribute] = nowMicros + Math.max(0, change) + taken
    else add(update, attribute, change + taken)
    return limit
  }

  /** What is expected starts afresh whenever the bucket was full. */
  function follow({ idle, burst }: Limit, change: number, taken: number): Limit {
    if (idle) update.sets[expectedAt] = nowMicros + Math.max(0, change) + taken
    else if (change + taken !== 0) add(update, expectedAt, change + taken)
    return { attribute: expectedAt, change, from: nowMicros + Math.max(0, -change), idle, burst }
  }

  type Bound = readonly [limit: Limit, bound: number]
  /** One of the limits, before the update, is at most at its bound; an idle one is at `from`. */
  function anyOf(bounds: readonly Bound[], ...others: Condition): Condition | boolean {
    if (bounds.some(([{ idle, from }, bound]) => idle && from <= bound)) return true
    const live = bounds.filter(([{ idle }]) => !idle)
    const condition = [
      ...live.map(([{ attribute }, value]) => ({ attribute, is: '<=', value }) as const),
      ...others,
    ]
    return condition.length > 0 && condition
  }

  const admission = charges.length > 0 ? admissionOf() : []
  if (charges.length > 0) housekeeping(update, view, nowMs)
  const idle = (!limits.tokens || tokens.idle) && (!limits.requests || requests.idle)
  if (charges.length > 0 || settled.tokens > 0 || settled.requests > 0)
    markSlack(update, view, slack, idle, nowMs)
  if (admission) update.conditions.push(...admission)
  return { view, update, admission, bursts }

  function admissionOf(): Condition[] | undefined {
    const all: (Condition | boolean)[] = []
    let [held, probable, asked] = [0, 0, 0]
    let [sure, hopedAtOnce, hoped, requestBound] = [Infinity, Infinity, Infinity, Infinity]
    let [open, openRequests] = [Infinity, Infinity]
    const claims = new Map<string, { sum: number; last: number; share: number }>()
    const epoch = epochOf(nowMs)
    for (const { take, hold, claimed } of charges) {
      const waitMicros = Math.floor(Math.min(take.maxWaitMs, dayMs) * 1000)
      const room = nowMicros + bursts.tokens - tokens.change - held - hold.held
      if (take.force) {
        held += hold.held
        probable += hold.expected
        asked += hold.requests
        add(update, counterOf(take.tenant, epoch), claimOf(hold))
        continue
      }
      if (waitMicros === 0 || isSure(hold)) sure = Math.min(sure, room + waitMicros)
      else {
        hopedAtOnce = Math.min(hopedAtOnce, room)
        const later = nowMicros + bursts.tokens + waitMicros - expected.change - probable - hold.held
        hoped = Math.min(hoped, later)
      }
      held += hold.held
      probable += hold.expected
      asked += hold.requests
      if (limits.requests)
        requestBound = Math.min(
          requestBound,
          nowMicros + bursts.requests + waitMicros - requests.change - asked,
        )
      if (claimed) continue
      const counter = counterOf(take.tenant, epoch)
      const weight = weightOfTake(take)
      const known = nowMs - seenAtMs <= knownForMs
      const claimant = { tenant: take.tenant, weight }
      const seenIn = epochOf(seenAtMs)
      const even = known && isSure(hold) ? evenPartOf(item, claimant, seenIn) : 0
      const share = known ? Math.max(shareOf(item, claimant, seenIn), even) : 0
      const claim = claimOf(hold)
      claims.set(counter, { sum: (claims.get(counter)?.sum ?? 0) + claim, last: claim, share })
      if (share === Infinity) continue
      open = Math.min(open, room - (1 - openPart(take)) * bursts.tokens)
      const openTo = bursts.requests * openPart(take)
      openRequests = Math.min(openRequests, nowMicros + openTo - requests.change - asked)
    }
    if (limits.tokens && sure < Infinity) all.push(anyOf([[tokens, sure]]))
    if (limits.tokens && hoped < Infinity) {
      all.push(
        anyOf([
          [tokens, hopedAtOnce],
          [expected, hoped],
        ]),
      )
    }
    if (requestBound < Infinity) all.push(anyOf([[requests, requestBound]]))
    for (const [counter, { sum, last, share }] of claims) {
      add(update, counter, sum)
      if (share === Infinity) continue
      const bound = share - sum + last / 2
      const within: Condition = [
        ...(bound >= 0 || (sum === last && share > 0) ? [{ attribute: counter, is: 'absent' } as const] : []),
        { attribute: counter, is: '<=', value: Math.floor(bound) },
      ]
      if (limits.tokens) all.push(anyOf([[tokens, Math.floor(open)]], ...within))
      if (limits.requests) all.push(anyOf([[requests, Math.floor(openRequests)]], ...within))
    }
    for (const { take } of charges) {
      const weight = weightOfTake(take)
      if (weight !== 1) update.sets[weightOf(counterOf(take.tenant, epoch))] = weight
    }
    if (all.includes(false)) return undefined
    return all.filter((condition) => typeof condition !== 'boolean')
  }
}

interface Limit {
  readonly attribute: string
  /** What those who end change. */
  readonly change: number
  /** Where it starts when it is full. */
  readonly from: number
  readonly idle: boolean
  /** What may be taken at once. */
  readonly burst: number
}

/** The item some time later, if the bucket is as full then. */
function aged(item: Item, ageMs: number): Item {
  const result = { ...item }
  for (const attribute of [tokensAt, expectedAt, requestsAt]) {
    const at = numberOf(item, attribute)
    if (at !== undefined) result[attribute] = at + ageMs * 1000
  }
  return result
}

/** Whether the item, as it probably is, lets in all that is planned. */
export function admits({ admission, view }: Plan): boolean {
  return admission?.every((condition) => holdsFor(condition, view)) ?? false
}

/** After so long nobody knows any more who else wants something. */
const knownForMs = 60_000
const dayMs = 24 * 60 * 60 * 1000

function housekeeping(update: ItemUpdate, view: Item, nowMs: number): void {
  update.removes.push(...staleCounters(view, epochOf(nowMs)), ...staleRefunds(view, nowMs))
  keep(update, view, nowMs)
}

/** A day after its last use nobody needs a ledger; written once in a while, not each time. */
export function keep(update: ItemUpdate, view: Item, nowMs: number): void {
  const expiresAt = numberOf(view, 'expiresAt') ?? 0
  if (expiresAt * 1000 < nowMs + dayMs) update.sets.expiresAt = Math.ceil((nowMs + 2 * dayMs) / 1000)
}

function sumOf(charges: readonly Charge[], amount: (hold: Hold) => number): number {
  return charges.reduce((sum, { hold }) => sum + amount(hold), 0)
}
