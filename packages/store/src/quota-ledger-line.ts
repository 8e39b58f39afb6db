/**
 * Who comes next. Every tenant has a line, first come, first served. Next is the head of the line that was served least,
 * counted in tokens divided by weight (VTC, OSDI '24). Nobody who comes after it gets the room that it waits for.
 */

import {
  charge,
  fits,
  forget,
  grant,
  hold,
  isBusy,
  type QuotaLedger,
  type QuotaRecord,
  unitsPerToken,
} from './quota-ledger-state.ts'
import type { QuotaAnswer, QuotaLimits, QuotaTake } from './quota-store.ts'

/** A waiter that is so late has gone. */
export const graceMs = 2_000
/** Who asks again does so after this part of what it has waited already, or later. */
const reaskDivisor = 8
/** Who is told when it is let in asks only if it was not, so much later than it was to be expected. */
const unheardMs = 500
/** Who comes when so many wait is refused. */
const mostWaiting = 10_000
/** So many idle lines are remembered, those that were served most. */
const mostIdle = 1_000
/** A line of batch work starts behind the others by what the limits let in within this time... */
const batchBehindMs = 10_000
/** ...and is served as though its weight were so many times less. So it waits for the others, but not for ever. */
const batchFactor = 16
/** Lines that are looked at for an estimate; more are taken to be like these. */
const linesLookedAt = 64

export interface QuotaLine {
  service: number
  tokens: number
  /** What its waiters will add to its service. */
  cost: number
  /** In the order in which they came. */
  readonly waiters: Set<string>
}

/** The length comes first, so that no name is the beginning of another. */
export function lineOf({ tenant, priority }: QuotaTake): string {
  return `${tenant.length}:${tenant}:${priority}`
}

/** What a token counts in its line. */
export function priceOf({ weight, priority }: QuotaTake): number {
  return ((priority === 'batch' ? batchFactor : 1) * 1_000) / weight
}

function costOf({ expectedTokens, price }: Pick<QuotaRecord, 'expectedTokens' | 'price'>): number {
  return Math.max(1, Math.floor(expectedTokens * price))
}

/** A line that comes back does not get what it left unused; one that was served too much has to wait. */
function startOf(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake): number {
  const { tokens, requests } = limits
  const perMinute = tokens?.perMinute ?? (requests?.perMinute ?? 0) * take.tokens
  const behind = take.priority === 'batch' ? Math.floor((perMinute * batchBehindMs) / 60) : 0
  return Math.max(ledger.idle.get(lineOf(take)) ?? 0, ledger.floor + behind)
}

/** Whether it would come before all who wait. */
export function isNext(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake): boolean {
  const name = lineOf(take)
  if (ledger.lines.has(name)) return false
  const first = firstLine(ledger)
  return !first || isBefore([name, startOf(ledger, limits, take)], [first[0], first[1].service])
}

function firstLine(ledger: QuotaLedger): [string, QuotaLine] | undefined {
  let first: [string, QuotaLine] | undefined
  for (const [name, line] of ledger.lines) {
    if (!first || isBefore([name, line.service], [first[0], first[1].service])) first = [name, line]
  }
  return first
}

function isBefore(one: readonly [string, number], other: readonly [string, number]): boolean {
  return one[1] < other[1] || (one[1] === other[1] && one[0] < other[0])
}

/** Gives holds to those at the head, as far as the room goes. They are woken, or learn it when they ask again. */
export function admitInOrder(
  ledger: QuotaLedger,
  limits: QuotaLimits,
  nowMs: number,
  wake?: (id: string) => void,
): void {
  for (;;) {
    const [name, line] = firstLine(ledger) ?? []
    if (name === undefined || !line) return
    const [id = ''] = line.waiters
    const record = ledger.records.get(id) as QuotaRecord
    const never = record.tokens > (limits.tokens?.burst ?? Number.POSITIVE_INFINITY)
    if (!never && !fits(ledger, limits, record.tokens)) return
    if (never) forget(ledger, id)
    else {
      const cost = costOf(record)
      raiseFloor(ledger, line.service, cost, ledger.lines.size)
      line.service += cost
      charge(ledger, record.tokens, 1)
      if (record.wokenUntilMs === undefined) {
        grant(ledger, 1, record.tokens)
        record.state = 'granted'
      } else {
        hold(ledger, id, record, Math.max(record.wokenUntilMs, nowMs + graceMs), nowMs)
        wake?.(id)
      }
    }
    leaveLine(ledger, id, record)
  }
}

/** A newcomer that does not stand in line, while others do. */
export function serveNewcomer(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake): void {
  const name = lineOf(take)
  const line = ledger.lines.get(name)
  const service = line?.service ?? startOf(ledger, limits, take)
  const cost = costOf({ expectedTokens: take.expectedTokens, price: priceOf(take) })
  raiseFloor(ledger, service, cost, ledger.lines.size + 1)
  if (line) line.service += cost
  else rest(ledger, name, service + cost)
}

/** It rises with all that is served, so that an endless row of newcomers cannot keep anybody waiting. */
function raiseFloor(ledger: QuotaLedger, service: number, cost: number, lines: number): void {
  ledger.floor = Math.max(service, ledger.floor + Math.floor(cost / lines))
}

function rest(ledger: QuotaLedger, name: string, service: number): void {
  const { idle, floor } = ledger
  idle.set(name, service)
  for (const [each, served] of idle) if (served <= floor) idle.delete(each)
  if (idle.size <= mostIdle) return
  const [least] = [...idle].reduce((least, each) => (isBefore(each, least) ? each : least))
  idle.delete(least)
}

function joinLine(
  ledger: QuotaLedger,
  limits: QuotaLimits,
  take: QuotaTake,
  nowMs: number,
  wakes: boolean,
): void {
  const name = lineOf(take)
  const { id, tokens, expectedTokens } = take
  const price = priceOf(take)
  const line = ledger.lines.get(name) ?? {
    service: startOf(ledger, limits, take),
    tokens: 0,
    cost: 0,
    waiters: new Set(),
  }
  ledger.idle.delete(name)
  ledger.lines.set(name, line)
  line.waiters.add(id)
  line.tokens += tokens
  line.cost += costOf({ expectedTokens, price })
  ledger.waiting += 1
  ledger.waitingTokens += tokens
  const wokenUntilMs = wakes ? take.expiresAtMs : undefined
  const place = { heldAtMs: nowMs, line: name, price, wokenUntilMs }
  ledger.records.set(id, { state: 'waiting', tokens, expectedTokens, ...place })
}

export function leaveLine(ledger: QuotaLedger, id: string, record: QuotaRecord): void {
  const name = record.line as string
  const line = ledger.lines.get(name) as QuotaLine
  line.waiters.delete(id)
  line.tokens -= record.tokens
  line.cost -= costOf(record)
  ledger.waiting -= 1
  ledger.waitingTokens -= record.tokens
  if (line.waiters.size > 0) return
  ledger.lines.delete(name)
  rest(ledger, name, line.service)
}

/** In line, or not even that: by how long it would take. */
export function answerWhileWaiting(
  ledger: QuotaLedger,
  limits: QuotaLimits,
  take: QuotaTake,
  nowMs: number,
  wakes: boolean,
): QuotaAnswer {
  const { id, maxWaitMs } = take
  const record = ledger.records.get(id)
  const known = record?.state === 'waiting' ? record : undefined
  const { limit, waitMs, overBy } = estimate(ledger, limits, take, known)
  // An estimate may be wrong by half; who has waited already is sent away only when it is hopeless.
  const hopeless = waitMs > (known ? 2 * maxWaitMs : maxWaitMs)
  if (hopeless || (!known && ledger.waiting >= mostWaiting)) {
    if (known) {
      forget(ledger, id)
      leaveLine(ledger, id, known)
    }
    return { id, state: 'refused', limit, waitMs, overBy }
  }
  // However wrong all estimates are, it asks a few times at most.
  const waitedMs = known ? nowMs - known.heldAtMs : 0
  const askInMs = Math.min(
    Math.ceil(maxWaitMs),
    wakes && isBusy(ledger)
      ? 2 * waitMs + Math.floor(waitedMs / 2) + unheardMs
      : Math.max(waitMs, Math.floor(waitedMs / reaskDivisor)),
  )
  if (!known) joinLine(ledger, limits, take, nowMs, wakes)
  else if (wakes) known.wokenUntilMs = take.expiresAtMs
  ledger.due.set(id, nowMs + askInMs + graceMs)
  return { id, state: 'waiting', askInMs }
}

/** From what is ahead, the refill, and what those who run will give back. */
function estimate(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake, known: QuotaRecord | undefined) {
  const ahead = aheadOf(ledger, limits, take, known)
  const { tokenUnits = 0, requestUnits = 0, refundTokens, holdMs } = ledger
  const { tokens, requests } = limits
  const tokensShort = tokens ? (ahead.tokens + (known ?? take).tokens) * unitsPerToken - tokenUnits : 0
  const requestsShort = requests ? (ahead.count + 1) * unitsPerToken - requestUnits : 0
  const refunds = holdMs === 0 ? 0 : (refundTokens * unitsPerToken) / holdMs
  const refill = tokens ? Math.max(tokens.perMinute / 8, tokens.perMinute + refunds) : 1
  const tokensMs = Math.ceil(tokensShort / refill)
  const requestsMs = requests ? Math.ceil(requestsShort / requests.perMinute) : 0
  const limit = requestsMs > tokensMs ? ('requests' as const) : ('tokens' as const)
  const short = limit === 'tokens' ? tokensShort : requestsShort
  return {
    limit,
    waitMs: Math.max(1, tokensMs, requestsMs),
    overBy: Math.max(0, Math.ceil(short / unitsPerToken)),
  }
}

/** Those of its own line, and what the other lines are served until their service is the same. */
function aheadOf(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake, known: QuotaRecord | undefined) {
  const name = known?.line ?? lineOf(take)
  const own = ledger.lines.get(name)
  const rank = own ? (known ? [...own.waiters].indexOf(take.id) : own.waiters.size) : 0
  const part = own ? rank / own.waiters.size : 0
  const until = own ? own.service + Math.floor(own.cost * part) : startOf(ledger, limits, take)
  const before = [...ledger.lines]
    .filter(([each, line]) => each !== name && line.service < until)
    .sort(([a, { service: x }], [b, { service: y }]) => (isBefore([a, x], [b, y]) ? -1 : 1))
  let [tokens, count] = [0, 0]
  for (const [, line] of before.slice(0, linesLookedAt)) {
    const { size } = line.waiters
    const takes = Math.min(size, Math.ceil((until - line.service) / (line.cost / size)))
    tokens += Math.floor((line.tokens * takes) / size)
    count += takes
  }
  const scale = Math.max(1, before.length / linesLookedAt)
  return {
    tokens: Math.floor((own ? own.tokens * part : 0) + tokens * scale),
    count: Math.floor(rank + count * scale),
  }
}
