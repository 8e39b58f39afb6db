/** Turns: who is over its tenant's share now claims a part of the share of a later epoch, and asks again then. */

import type { QuotaAnswer } from '../quota-store.ts'
import { type Condition, emptyUpdate, holdsFor, type Item, type ItemUpdate, numberOf } from './quota-item.ts'
import { type Charge, claimOf, keep, type Plan, type Sight, weightOfTake, withinShare } from './quota-plan.ts'
import { counterOf, epochMs, epochOf, isCounter, shareOf, weightOf } from './quota-shares.ts'

/** The ticket of one whose turn comes later. */
export const turnTicket = 'turn'

/** How many epochs ahead turns are given. */
const maxEpochs = 12

export interface Turns {
  /** Undefined when nobody gets a turn. */
  readonly update: ItemUpdate | undefined
  /** From the item as the update left it. */
  answersFrom(item: Item): readonly QuotaAnswer[]
}

/** Finds a turn for each, as soon as its share has room. Who would have to wait too long is refused; all are unless it is `open`. */
export function planTurns(
  { item: view, seenAtMs }: Sight,
  charges: readonly Charge[],
  nowMs: number,
  open = true,
): Turns {
  const update = emptyUpdate()
  const claims = new Map<string, { sum: number; atMost: number }>()
  const now = epochOf(nowMs)
  const answers = charges.map(({ take, hold }) => {
    const { id, tenant, tokens, maxWaitMs } = take
    const weight = weightOfTake(take)
    const share = shareOf(view, { tenant, weight }, epochOf(seenAtMs))
    const claim = claimOf(hold)
    for (let epoch = now + 1; open && epoch <= now + maxEpochs; epoch++) {
      const counter = counterOf(tenant, epoch)
      const before = numberOf(view, counter) ?? 0
      const { sum, atMost } = claims.get(counter) ?? { sum: 0, atMost: Infinity }
      if (before + sum > 0 && !withinShare(before + sum, claim, share)) continue
      // Spread over the epoch, as the share comes back.
      const waitMs = (claimed: number) =>
        epoch * epochMs - nowMs + Math.floor(epochMs * Math.min(0.9, claimed / share))
      if (waitMs(before + sum) > maxWaitMs) return () => refusedUntil(id, waitMs(before + sum), tokens)
      const room = Number.isFinite(share) ? Math.floor(share - claim / 2 - sum) : before
      claims.set(counter, { sum: sum + claim, atMost: Math.min(atMost, Math.max(before, room)) })
      if (weight !== 1) update.sets[weightOf(counter)] = weight
      return (item: Item): QuotaAnswer => {
        const claimed = (numberOf(item, counter) ?? 0) - (claims.get(counter)?.sum ?? 0) + sum
        return { id, state: 'waiting', askInMs: Math.min(maxWaitMs, waitMs(claimed)), ticket: turnTicket }
      }
    }
    return () => refusedUntil(id, maxEpochs * epochMs, tokens)
  })
  for (const [counter, { sum, atMost }] of claims) {
    update.adds[counter] = sum
    update.conditions.push([
      { attribute: counter, is: 'absent' },
      { attribute: counter, is: '<=', value: atMost },
    ])
  }
  keep(update, view, nowMs)
  return {
    update: claims.size > 0 ? update : undefined,
    answersFrom: (item) => answers.map((answer) => answer(item)),
  }
}

/**
 * What must still be so for a take to be over its tenant's share, as it probably is; undefined where it probably is let
 * in, or where there is another reason why not.
 */
export function overShare({ admission, view }: Plan): Condition[] | undefined {
  const failing = admission?.filter((condition) => !holdsFor(condition, view)) ?? []
  const isShare = (condition: Condition) => condition.some(({ attribute }) => isCounter(attribute))
  if (failing.length === 0 || !failing.every(isShare)) return undefined
  return failing
    .flat()
    .flatMap(({ attribute, is, value = 0 }) =>
      is === '<=' ? [[{ attribute, is: '>=', value: value + 1 } as const]] : [],
    )
}

function refusedUntil(id: string, waitMs: number, overBy: number): QuotaAnswer {
  return { id, state: 'refused', limit: 'tenant', waitMs, overBy }
}
