/**
 * A bucket that is full now and then makes every second guess wrong: time that passes must not be saved up, so it is set
 * anew whenever it was full. Where guesses go wrong, a bucket counts as full only when it has been for some time. What
 * comes back meanwhile is kept, and so everybody stops short of the burst by as much.
 */

import type { QuotaLimits } from '../quota-store.ts'
import { type Item, type ItemUpdate, numberOf, requestsAt, tokensAt } from './quota-item.ts'
import { burstsOf } from './quota-micros.ts'
import type { Sight } from './quota-plan.ts'

/** When the bucket may be taken exactly again, in milliseconds since the epoch; not there: it is. */
const slackUntil = 'slackUntil'
const slackMs = 600_000

export function hasSlack(item: Item): boolean {
  return item[slackUntil] !== undefined
}

/** Whether the next one who finds the bucket full for long enough makes it exact again. */
export function slackEnds(item: Item, nowMs: number): boolean {
  return (numberOf(item, slackUntil) ?? Infinity) < nowMs
}

/** Of that burst, for how long a bucket may be full and not count as full, in microseconds. */
export function slackOf(burst: number, slack: boolean): number {
  return slack ? Math.floor(burst / 20) : 0
}

/**
 * Who adds although the bucket was full says so, and who adds within the whole burst sees to it that nobody has. A bucket
 * that is set anew has nothing saved up: then the slack may end.
 */
export function markSlack(
  update: ItemUpdate,
  view: Item,
  slack: boolean,
  idle: boolean,
  nowMs: number,
): void {
  if (idle) {
    if (slackEnds(view, nowMs)) update.removes.push(slackUntil)
  } else if (slack && !hasSlack(view)) update.sets[slackUntil] = nowMs + slackMs
  else update.conditions.push([{ attribute: slackUntil, is: slack ? 'present' : 'absent' }])
}

/** Whether a guess went wrong because a bucket that is full now and then was full before and is not, or not and is. */
export function flipped(guessed: Sight, item: Item, limits: QuotaLimits, nowMs: number): boolean {
  const bursts = burstsOf(limits)
  function isNear(attribute: string, burst: number): boolean {
    const was = (numberOf(guessed.item, attribute) ?? 0) - guessed.askedAtMs * 1000
    const is = (numberOf(item, attribute) ?? 0) - nowMs * 1000
    return was < 0 !== is < 0 && Math.max(Math.abs(was), Math.abs(is)) <= slackOf(burst, true)
  }
  return isNear(tokensAt, bursts.tokens) || isNear(requestsAt, bursts.requests)
}
