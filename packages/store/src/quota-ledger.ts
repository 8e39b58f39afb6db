/**
 * What one ledger of a quota store does with a change: buckets, holds, and the line of those who wait. It knows nothing
 * of where it is kept. `redis/quota-script.ts` does the same, step by step, in Lua; a test holds the two together.
 */

import {
  admitInOrder,
  answerWhileWaiting,
  graceMs,
  isNext,
  leaveLine,
  lineOf,
  priceOf,
  serveNewcomer,
} from './quota-ledger-line.ts'
import {
  charge,
  fill,
  fits,
  forget,
  grant,
  hold,
  type QuotaLedger,
  type QuotaRecord,
  refill,
  room,
  unitsPerToken,
} from './quota-ledger-state.ts'
import type { QuotaAnswer, QuotaChange, QuotaLimits, QuotaTake, QuotaUpdate } from './quota-store.ts'

/** Of a hold that expired, it is remembered for so long that its settlement may still come: as long as a Lambda runs. */
const lostForMs = 900_000
/** So many expire in one operation, the others in the next ones. */
const expiriesAtOnce = 256

/**
 * Makes the change at `nowMs`, in milliseconds since the epoch. Time may stand still or step back. With `wake`, those who
 * join a line are told when they leave it.
 */
export function updateQuotaLedger(
  ledger: QuotaLedger,
  change: QuotaChange,
  nowMs: number,
  wake?: (id: string) => void,
): QuotaUpdate {
  const { limits, settlements = [], extensions = [], takes = [], belief, mode } = change
  refill(ledger, limits, nowMs)
  for (const { id, usedTokens, sent } of settlements) settle(ledger, id, usedTokens, sent, nowMs)
  for (const { id, nextExpiresAtMs } of extensions) extend(ledger, id, nextExpiresAtMs)
  if (belief && belief.ifChangedAtMs === ledger.belief.changedAtMs) ledger.belief = belief.next
  ledger.mode = mode ?? ledger.mode
  for (const id of ledger.due.take(nowMs, expiriesAtOnce)) expire(ledger, id, nowMs)
  fill(ledger, limits, 0)
  admitInOrder(ledger, limits, nowMs, wake)
  const answers = takes.map((take) => answer(ledger, limits, take, nowMs, wake))
  return {
    answers,
    view: {
      tokens: room(ledger.tokenUnits, limits.tokens) - ledger.waitingTokens,
      requests: room(ledger.requestUnits, limits.requests) - ledger.waiting,
      waitingTokens: ledger.waitingTokens,
      belief: ledger.belief,
      mode: ledger.mode,
    },
    operations: 1,
  }
}

function settle(ledger: QuotaLedger, id: string, usedTokens: number, sent: boolean, nowMs: number): void {
  const record = ledger.records.get(id)
  if (!record) return
  forget(ledger, id)
  const { state, tokens, expectedTokens } = record
  const requests = sent ? 0 : 1
  if (state === 'waiting') leaveLine(ledger, id, record)
  else if (state === 'lost') charge(ledger, usedTokens - expectedTokens, -requests)
  else {
    charge(ledger, usedTokens - tokens, -requests)
    correct(ledger, record, usedTokens)
    if (state === 'granted') {
      grant(ledger, -1, -tokens)
      return
    }
    ledger.refundTokens -= tokens - expectedTokens
    const heldMs = Math.max(1, nowMs - record.heldAtMs)
    ledger.holdMs = ledger.holdMs === 0 ? heldMs : ledger.holdMs + Math.floor((heldMs - ledger.holdMs) / 16)
  }
}

/** Its line was served what was expected, and is to be served what was used. */
function correct(
  ledger: QuotaLedger,
  { line, price, expectedTokens }: QuotaRecord,
  usedTokens: number,
): void {
  if (line === undefined) return
  const cost = Math.floor((usedTokens - expectedTokens) * price)
  const waiting = ledger.lines.get(line)
  const idle = ledger.idle.get(line)
  if (waiting) waiting.service += cost
  else if (idle !== undefined) ledger.idle.set(line, idle + cost)
}

function extend(ledger: QuotaLedger, id: string, nextExpiresAtMs: number): void {
  const record = ledger.records.get(id)
  if (!record || record.state === 'waiting' || record.state === 'granted') return
  if (record.state === 'lost') {
    const refundTokens = record.tokens - record.expectedTokens
    charge(ledger, refundTokens, 0)
    ledger.refundTokens += refundTokens
    record.state = 'held'
  }
  ledger.due.set(id, nextExpiresAtMs)
}

function expire(ledger: QuotaLedger, id: string, nowMs: number): void {
  const record = ledger.records.get(id) as QuotaRecord
  const { state, tokens, expectedTokens } = record
  if (state === 'lost') ledger.records.delete(id)
  // It did not ask again, so that nothing was sent.
  else if (state !== 'held') settle(ledger, id, 0, false, nowMs)
  else {
    charge(ledger, expectedTokens - tokens, 0)
    ledger.refundTokens -= tokens - expectedTokens
    record.state = 'lost'
    ledger.due.set(id, nowMs + lostForMs)
  }
}

function answer(
  ledger: QuotaLedger,
  limits: QuotaLimits,
  take: QuotaTake,
  nowMs: number,
  wake: ((id: string) => void) | undefined,
): QuotaAnswer {
  const { id, tokens, force = false } = take
  const state = () => ledger.records.get(id)?.state
  if (state() === 'held') return answerHeld(ledger, take)
  const burst = limits.tokens?.burst ?? Number.POSITIVE_INFINITY
  const never = tokens > burst ? 'tokens' : (limits.requests?.burst ?? 1) < 1 ? 'requests' : undefined
  if (never && !force && state() !== 'granted') {
    if (state() === 'waiting') settle(ledger, id, 0, false, nowMs)
    const overBy = never === 'tokens' ? tokens - burst : 1
    return { id, state: 'refused', limit: never, waitMs: Number.POSITIVE_INFINITY, overBy }
  }
  if (!force) admitInOrder(ledger, limits, nowMs, wake)
  else if (state() === 'waiting') settle(ledger, id, 0, false, nowMs)
  if (state() === 'held') return answerHeld(ledger, take)
  let record = ledger.records.get(id)
  if (record?.state !== 'granted') {
    const newcomer = record?.state !== 'waiting'
    const now = force || (newcomer && fits(ledger, limits, tokens) && isNext(ledger, limits, take))
    if (!now) return answerWhileWaiting(ledger, limits, take, nowMs, wake !== undefined)
    record = heldAtOnce(ledger, limits, take)
  } else {
    const waitMs = force ? 0 : debtMs(ledger, limits, record)
    if (waitMs > 0) return answerInDebt(ledger, take, waitMs, nowMs)
    grant(ledger, -1, -record.tokens)
  }
  hold(ledger, id, record, take.expiresAtMs, nowMs)
  return { id, state: 'admitted' }
}

/** It was let in while it asked, or its first answer was lost: from now on it goes by this time. */
function answerHeld(ledger: QuotaLedger, { id, expiresAtMs }: QuotaTake): QuotaAnswer {
  ledger.due.set(id, expiresAtMs)
  return { id, state: 'admitted' }
}

/** How long until the provider has what was granted: a debt that came to light meanwhile may have eaten it. */
function debtMs(ledger: QuotaLedger, { tokens }: QuotaLimits, { tokens: amount }: QuotaRecord): number {
  if (!tokens) return 0
  const short = (amount - ledger.grantedTokens) * unitsPerToken - (ledger.tokenUnits ?? 0)
  return Math.max(0, Math.ceil(short / tokens.perMinute))
}

/** It keeps what it was granted, unless its time is over. */
function answerInDebt(ledger: QuotaLedger, take: QuotaTake, waitMs: number, nowMs: number): QuotaAnswer {
  const { id, tokens } = take
  const askInMs = Math.min(waitMs, Math.ceil(take.maxWaitMs))
  if (askInMs > 0) {
    ledger.due.set(id, nowMs + askInMs + graceMs)
    return { id, state: 'waiting', askInMs }
  }
  settle(ledger, id, 0, false, nowMs)
  return { id, state: 'refused', limit: 'tokens', waitMs, overBy: tokens }
}

/** Nobody waits, or nobody who comes before. */
function heldAtOnce(ledger: QuotaLedger, limits: QuotaLimits, take: QuotaTake): QuotaRecord {
  const { id, tokens, expectedTokens } = take
  const line = ledger.waiting > 0 ? lineOf(take) : undefined
  if (line !== undefined) serveNewcomer(ledger, limits, take)
  charge(ledger, tokens, 1)
  const record = { state: 'held' as const, tokens, expectedTokens, heldAtMs: 0, line, price: priceOf(take) }
  ledger.records.set(id, record)
  return record
}
