/** Turns: who is over its tenant's share now claims a part of the share of a later epoch, and asks again then. */

import type { QuotaAnswer } from '../quota-store.ts'
import { emptyUpdate, type Item, type ItemUpdate, numberOf } from './quota-item.ts'
import { type Charge, claimOf, keep, weightOfTake, withinShare } from './quota-plan.ts'
import { counterOf, epochMs, epochOf, shareOf, weightOf } from './quota-shares.ts'

/** The ticket of one whose turn comes later. */
export const turnTicket = 'turn'

/** How many epochs ahead turns are given. */
const maxEpochs = 12

export interface Turns {
  /** Undefined when nobody gets a turn. */
  readonly update: ItemUpdate | undefined
  readonly answers: readonly QuotaAnswer[]
}

/** Finds a turn for each, as soon as its share has room. Who would have to wait too long is refused; all are unless it is `open`. */
export function planTurns(view: Item, charges: readonly Charge[], nowMs: number, open = true): Turns {
  const update = emptyUpdate()
  const claimed = new Map<string, number>()
  const now = epochOf(nowMs)
  const answers = charges.map(({ take, hold }): QuotaAnswer => {
    const weight = weightOfTake(take)
    const share = shareOf(view, { tenant: take.tenant, weight }, now)
    const claim = claimOf(hold)
    for (let epoch = now + 1; open && epoch <= now + maxEpochs; epoch++) {
      const counter = counterOf(take.tenant, epoch)
      const before = numberOf(view, counter) ?? 0
      const sum = claimed.get(counter) ?? 0
      if (before + sum > 0 && !withinShare(before + sum, claim, share)) continue
      // Spread over the epoch, as the share comes back.
      const waitMs = epoch * epochMs - nowMs + Math.floor(epochMs * Math.min(0.9, (before + sum) / share))
      if (waitMs > take.maxWaitMs) return refusedUntil(take.id, waitMs, take.tokens)
      claimed.set(counter, sum + claim)
      update.adds[counter] = sum + claim
      if (weight !== 1) update.sets[weightOf(counter)] = weight
      return { id: take.id, state: 'waiting', askInMs: waitMs, ticket: turnTicket }
    }
    return refusedUntil(take.id, maxEpochs * epochMs, take.tokens)
  })
  for (const [counter] of claimed) {
    const before = numberOf(view, counter)
    update.conditions.push([
      before === undefined
        ? { attribute: counter, is: 'absent' }
        : { attribute: counter, is: '<=', value: before },
    ])
  }
  keep(update, view, nowMs)
  return { update: claimed.size > 0 ? update : undefined, answers }
}

function refusedUntil(id: string, waitMs: number, overBy: number): QuotaAnswer {
  return { id, state: 'refused', limit: 'tenant', waitMs, overBy }
}
