/** What a ledger remembers, and its two buckets. Plain state, changed in place. */

import { type DueQueue, dueQueue } from './quota-ledger-due.ts'
import type { QuotaLine } from './quota-ledger-line.ts'
import {
  noBelief,
  type QuotaBelief,
  type QuotaLimits,
  type QuotaMode,
  type RateLimit,
} from './quota-store.ts'

/** The balance of a bucket counts in these, so that a millisecond of refill is an integer: `perMinute` of them. */
export const unitsPerToken = 60_000
/** The time between operations counts in parts of a millisecond. */
const gapParts = 16
/** What a ledger takes for the time between operations at first. */
const firstGapMs = 1_000
/** A longer pause says no more. */
const longestGapMs = 10_000
/** Where operations follow each other so quickly, those who wait are let in soon after there is room. */
const busyGapMs = 100
/** A clock that is further behind than this was set back; less is skew, and no reason to refill a span twice. */
const clockSetBackMs = 60_000

/** One attempt that the ledger knows by its id. */
export interface QuotaRecord {
  /** In line; out of it and held until it asks again; held; or expired unsettled. */
  state: 'waiting' | 'granted' | 'held' | 'lost'
  readonly tokens: number
  readonly expectedTokens: number
  /** When it got its hold; of those in line, when they came. */
  heldAtMs: number
  /** Which line its service counts in; none where nobody waited. */
  readonly line: string | undefined
  /** What one of its tokens counts in that line. */
  readonly price: number
  /** Of those in line who are told when they are let in: when their holds expire. */
  wokenUntilMs?: number | undefined
}

export interface QuotaLedger {
  /** Up to when the buckets are refilled. */
  atMs: number
  /** Undefined: never used, and so full. */
  tokenUnits: number | undefined
  requestUnits: number | undefined
  readonly records: Map<string, QuotaRecord>
  readonly due: DueQueue
  /** Those in which somebody waits. */
  readonly lines: Map<string, QuotaLine>
  /** The service of lines in which nobody waits, where it is more than a newcomer starts with. */
  readonly idle: Map<string, number>
  /** The service with which a newcomer starts. */
  floor: number
  waiting: number
  waitingTokens: number
  /** Out of the line, but not sent yet: the provider still has these, so the bucket is full without them. */
  granted: number
  grantedTokens: number
  /** What those who run will probably give back. */
  refundTokens: number
  /** How long a hold is held, on average. */
  holdMs: number
  /** The time between operations, on average, in sixteenths of a millisecond. */
  gap: number
  belief: QuotaBelief
  mode: QuotaMode | undefined
}

export function quotaLedger(): QuotaLedger {
  return {
    atMs: 0,
    tokenUnits: undefined,
    requestUnits: undefined,
    records: new Map(),
    due: dueQueue(),
    lines: new Map(),
    idle: new Map(),
    floor: 0,
    waiting: 0,
    waitingTokens: 0,
    granted: 0,
    grantedTokens: 0,
    refundTokens: 0,
    holdMs: 0,
    gap: firstGapMs * gapParts,
    belief: noBelief,
    mode: undefined,
  }
}

/** Lets in what has come since the last time. */
export function refill(ledger: QuotaLedger, limits: QuotaLimits, nowMs: number): void {
  if (ledger.atMs - nowMs > clockSetBackMs) ledger.atMs = nowMs
  const elapsedMs = Math.max(0, nowMs - ledger.atMs)
  ledger.atMs += elapsedMs
  ledger.gap += Math.floor((Math.min(elapsedMs, longestGapMs) * gapParts - ledger.gap) / gapParts)
  fill(ledger, limits, elapsedMs)
}

/** Whether somebody lets those in who wait, even if they do not ask. */
export function isBusy({ gap }: QuotaLedger): boolean {
  return gap <= busyGapMs * gapParts
}

/** With no time at all, only takes away what came back and does not fit. */
export function fill(ledger: QuotaLedger, { tokens, requests }: QuotaLimits, elapsedMs: number): void {
  const { tokenUnits, requestUnits, grantedTokens, granted } = ledger
  if (tokens) ledger.tokenUnits = filled(tokenUnits, tokens, grantedTokens, elapsedMs)
  if (requests) ledger.requestUnits = filled(requestUnits, requests, granted, elapsedMs)
}

function filled(
  units: number | undefined,
  { perMinute, burst }: RateLimit,
  granted: number,
  elapsedMs: number,
): number {
  const full = (burst - granted) * unitsPerToken
  return Math.min(full, (units ?? full) + elapsedMs * perMinute)
}

export function room(units: number | undefined, limit: RateLimit | undefined): number {
  return limit ? Math.floor((units ?? 0) / unitsPerToken) : Number.POSITIVE_INFINITY
}

export function fits(ledger: QuotaLedger, { tokens, requests }: QuotaLimits, amount: number): boolean {
  return room(ledger.tokenUnits, tokens) >= amount && room(ledger.requestUnits, requests) >= 1
}

/** Takes, or with negative numbers gives back. */
export function charge(ledger: QuotaLedger, tokens: number, requests: number): void {
  if (ledger.tokenUnits !== undefined) ledger.tokenUnits -= tokens * unitsPerToken
  if (ledger.requestUnits !== undefined) ledger.requestUnits -= requests * unitsPerToken
}

export function forget(ledger: QuotaLedger, id: string): void {
  ledger.records.delete(id)
  ledger.due.delete(id)
}

/** Held from now on: it will be sent. */
export function hold(
  ledger: QuotaLedger,
  id: string,
  record: QuotaRecord,
  expiresAtMs: number,
  nowMs: number,
): void {
  record.state = 'held'
  record.heldAtMs = nowMs
  ledger.refundTokens += record.tokens - record.expectedTokens
  ledger.due.set(id, expiresAtMs)
}

/** Between leaving the line and asking again. */
export function grant(ledger: QuotaLedger, count: number, tokens: number): void {
  ledger.granted += count
  ledger.grantedTokens += tokens
}
