/** What is given back: by those who end, and for those who died. Pure. */

import { type EndedHold, type ExtendedHold, type Hold, isExpired } from './quota-holds.ts'
import { add, emptyUpdate, type Item, type ItemUpdate, numberOf, tokensAt } from './quota-item.ts'
import { refundOf } from './quota-refunds.ts'

/** What those who end, or live on, change; a hold that was given back before is charged for what it has come to. */
export function settle(
  update: ItemUpdate,
  view: Item,
  ended: readonly EndedHold[],
  extended: readonly ExtendedHold[],
  nowMs: number,
): { tokens: number; expected: number; requests: number } {
  const change = { tokens: 0, expected: 0, requests: 0 }
  const alive = new Set<string>()
  function isLost({ bucket }: Hold): boolean {
    const lost = view[bucket] === undefined && isExpired(bucket, nowMs)
    if (!lost && !alive.has(bucket)) {
      alive.add(bucket)
      update.conditions.push([{ attribute: bucket, is: 'present' }])
    }
    return lost
  }
  for (const { hold, used, sent } of ended) {
    const lost = isLost(hold)
    const charged = lost ? hold.expected : hold.held
    if (!lost) add(update, hold.bucket, hold.expected - hold.held)
    change.tokens += used - charged
    change.expected += used - hold.expected
    if (charged !== used) add(update, refundOf(hold.bin, nowMs), charged - used)
    if (!sent) change.requests -= hold.requests
  }
  for (const { hold, next } of extended) {
    const lost = isLost(hold)
    if (!lost) add(update, hold.bucket, hold.expected - hold.held)
    else change.tokens += hold.held - hold.expected
    add(update, next.bucket, next.held - next.expected)
    change.expected += next.expected - hold.expected
  }
  return change
}

/** Gives back what dead holders held in a bucket, less what they probably used: once, as only one finds it as it is. */
export function planReclaim(view: Item, bucket: string, nowMs: number): ItemUpdate {
  const update = emptyUpdate()
  const back = numberOf(view, bucket) ?? 0
  const nowMicros = nowMs * 1000
  update.conditions.push([{ attribute: bucket, is: '=', value: back }])
  update.removes.push(bucket)
  const idle = back < 0 && (numberOf(view, tokensAt) ?? 0) < nowMicros
  if (idle) update.sets[tokensAt] = nowMicros - back
  else if (back !== 0) update.adds[tokensAt] = -back
  if (back < 0) update.conditions.push([{ attribute: tokensAt, is: idle ? '<' : '>=', value: nowMicros }])
  return update
}
