/** Rate limits that sandboxes share, one item for each key. */

import type {
  QuotaAnswer,
  QuotaBelief,
  QuotaChange,
  QuotaMode,
  QuotaStore,
  QuotaTake,
  QuotaUpdate,
} from '../quota-store.ts'
import { holdOf, holdsByID, lostBuckets } from './quota-holds.ts'
import {
  add,
  type Condition,
  emptyUpdate,
  expectedAt,
  type Item,
  type ItemTable,
  type ItemUpdate,
  numberOf,
  requestsAt,
  tokensAt,
} from './quota-item.ts'
import { dynamoDBItemTable } from './quota-item-table.ts'
import { answerAgain, answersTo, impossible, isPlace, refusalOf, startsBy, viewOf } from './quota-line.ts'
import { burstsOf, microsOf } from './quota-micros.ts'
import { admits, type Charge, keep, planUpdate, type Sight, type Work } from './quota-plan.ts'
import { planReclaim } from './quota-settle.ts'
import { flipped } from './quota-slack.ts'
import { overShare, planTurns, turnTicket } from './quota-turns.ts'
import { type DynamoDBStoreOptions, tableOf } from './table.ts'

/**
 * A store for `quotaThrottle()` that all sandboxes share. It goes by the clocks of the sandboxes: clocks that differ by
 * some time let in as much more as the limits bring back in it. Needs `dynamodb:UpdateItem` and `dynamodb:GetItem` on
 * the table.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
 *
 * export const store = dynamoDBQuotaStore({ tableName: 'sluice' })
 * ```
 */
export function dynamoDBQuotaStore(options: DynamoDBStoreOptions): QuotaStore {
  const table = tableOf('dynamoDBQuotaStore', options)
  return quotaStoreOn(dynamoDBItemTable(table), { now: table.now })
}

/** So often others may be faster; then takes are answered from what was seen, and only what must be written is. */
const maxAttempts = 8

/** The store on any table of items. */
export function quotaStoreOn(
  table: ItemTable,
  { now, random = Math.random }: { readonly now: () => number; readonly random?: () => number },
): QuotaStore {
  const clock = () => Math.floor(now())
  const holds = holdsByID(clock)
  /** Items as they were seen last, to guess what an update has to be. */
  const seen = new Map<string, Sight>()

  async function update(key: string, change: QuotaChange, signal?: AbortSignal): Promise<QuotaUpdate> {
    signal?.throwIfAborted()
    const { limits, takes = [], belief, mode } = change
    const answers = new Map<string, QuotaAnswer>()
    let { item, seenAtMs, askedAtMs }: Sight = seen.get(key) ?? unseen
    let operations = 0
    let slack = false

    function look(next: Item, whenAskedMs: number): void {
      item = next
      askedAtMs = whenAskedMs
      seenAtMs = clock()
      if (seen.size >= maxSeen) seen.clear()
      seen.set(key, { item, seenAtMs, askedAtMs })
      operations += 1
    }
    async function send(itemUpdate: ItemUpdate, once = false): Promise<boolean> {
      const whenAskedMs = clock()
      const { done, item: next } = await table.update(key, itemUpdate, once, signal)
      look(next, whenAskedMs)
      return done
    }
    async function read(): Promise<void> {
      const whenAskedMs = clock()
      look(await table.get(key, signal), whenAskedMs)
    }
    async function reclaim(): Promise<void> {
      for (const bucket of lostBuckets(item, clock(), random)) {
        await send(planReclaim(item, bucket, clock()), true)
      }
    }
    /** Who is probably over its share claims its turn without trying before, if it still is. */
    async function claimEarly(charges: readonly Charge[], work: Work, nowMs: number): Promise<boolean> {
      const sight = { item, seenAtMs, askedAtMs }
      const [charge] = charges
      if (!charge || charges.length > 1 || nowMs - seenAtMs > recentMs) return false
      const still = overShare(planUpdate(sight, { ...work, charges }, nowMs))
      if (!still) return false
      const turns = planTurns(sight, charges, nowMs)
      if (!turns.update) return false
      turns.update.conditions.push(...still)
      if (!(await send(turns.update))) return false
      for (const answer of turns.answersFrom(item)) answers.set(answer.id, answer)
      pending = []
      return true
    }
    /** When it will probably end, if it waits: who asked did not know for how long. */
    function endsAtMs({ tokens, maxWaitMs }: QuotaTake): number {
      const { tokens: burst } = burstsOf(limits)
      const startsAt = (numberOf(item, tokensAt) ?? 0) + microsOf(tokens, limits.tokens) - burst
      const waitMs = Math.min(startsAt / 1000 - clock(), maxWaitMs)
      return waitMs > 0 ? clock() + waitMs + 2 * holds.meanMs() : 0
    }
    const chargeOf = (take: QuotaTake): Charge => ({
      take,
      hold: holdOf({ ...take, expiresAtMs: Math.max(take.expiresAtMs, endsAtMs(take)) }, limits, clock()),
      claimed: take.ticket === turnTicket,
    })

    if (belief) await send(planBelief(item, belief.next, belief.ifChangedAtMs, clock()))
    if (mode) await send(planMode(item, mode, clock()))

    const again = takes.filter(({ ticket }) => isPlace(ticket))
    for (const take of takes) {
      const answer = impossible(take, limits)
      if (answer) answers.set(take.id, answer)
    }
    let pending = takes.filter((take) => !again.includes(take) && !answers.has(take.id))
    let ended = (change.settlements ?? [])
      .filter(({ ticket, sent }) => sent || ticket !== turnTicket)
      .flatMap((settlement) => holds.end(settlement, limits) ?? [])
    let extended = (change.extensions ?? []).flatMap((extension) => holds.extend(extension, limits) ?? [])
    extended.push(...again.flatMap((take) => holds.renew(take, startsBy(take, item, limits), limits) ?? []))

    for (let attempt = 0; pending.length + ended.length + extended.length > 0; attempt++) {
      if (attempt === 2 * maxAttempts) throw new Error(`The item of "${key}" changes too fast.`)
      const nowMs = clock()
      const work: Work = { limits, ended, extended, charges: [], slack }
      let charges =
        attempt < maxAttempts
          ? fitting({ item, seenAtMs, askedAtMs }, work, pending.map(chargeOf), nowMs)
          : []
      if (charges.length + ended.length + extended.length === 0) {
        if (operations > 0) break
        if (await claimEarly(pending.map(chargeOf), work, nowMs)) break
        if (operations > 0) continue
        // Nobody is sent away because of what was seen some time ago: if it is still so, the update fails and tells.
        charges = pending.map(chargeOf)
      }
      const plan = planUpdate({ item, seenAtMs, askedAtMs }, { ...work, charges }, nowMs)
      const guessed = { item, seenAtMs, askedAtMs }
      // More than an empty ledger lets in at once, of which some are refused when the item is known.
      if (!plan.admission) await read()
      else if (await send(plan.update, ended.length > 0)) {
        for (const { take, hold } of charges) holds.add(take, hold)
        for (const answer of answersTo(charges, item, limits, plan.bursts, nowMs, holds.meanMs()))
          answers.set(answer.id, answer)
        pending = pending.filter(({ id }) => !answers.has(id))
        ended = []
        extended = []
      } else if (flipped(guessed, item, limits, clock())) slack = true
      await reclaim()
    }

    let gated: Charge[] = []
    for (const charge of pending.map(chargeOf)) {
      const refusal = refusalOf(charge, item, limits, clock())
      if (refusal) answers.set(refusal.id, refusal)
      else gated.push(charge)
    }
    for (let attempt = 0; gated.length > 0; attempt++) {
      const turns = planTurns({ item, seenAtMs, askedAtMs }, gated, clock(), attempt < maxAttempts)
      if (turns.update && !(await send(turns.update))) continue
      for (const answer of turns.answersFrom(item)) answers.set(answer.id, answer)
      gated = []
    }

    const kept = (change.extensions?.length ?? 0) > 0 && seen.has(key)
    if (operations === 0 && (again.length > 0 || (takes.length === 0 && !kept))) {
      await read()
      await reclaim()
    }
    for (const take of again) {
      for (let attempt = 0; !answers.has(take.id); attempt++) {
        const { answer, update: first } = answerAgain(take, item, limits, clock(), holds.meanMs())
        if (attempt === maxAttempts) throw new Error(`The item of "${key}" changes too fast.`)
        if (first && !(await send(first, true))) continue
        if (answer.state === 'admitted') holds.start(take.id)
        answers.set(take.id, answer)
      }
    }
    const result = {
      answers: takes.map(({ id }) => answers.get(id) as QuotaAnswer),
      view: viewOf(item, limits, clock()),
      operations,
    }
    const leaving = again.filter(({ id }) => answers.get(id)?.state === 'refused')
    if (leaving.length === 0) return result
    // They were in line, and are not any more.
    const settlements = leaving.map((take) => ({ ...take, usedTokens: 0, sent: false }))
    const left = await update(key, { limits, settlements }, signal)
    return { answers: result.answers, view: left.view, operations: operations + left.operations }
  }

  return { update, open: () => table.open() }
}

const unseen: Sight = { item: {}, seenAtMs: 0, askedAtMs: 0 }

/** What was seen so long ago still tells whether there is a crowd. */
const recentMs = 20_000

/** Keys of which one sandbox remembers the items. */
const maxSeen = 1000

/** As many as the item lets in, those first who came first. */
function fitting(view: Sight, work: Work, charges: readonly Charge[], nowMs: number): Charge[] {
  const chosen: Charge[] = []
  for (const charge of charges) {
    chosen.push(charge)
    if (!admits(planUpdate(view, { ...work, charges: chosen }, nowMs))) chosen.pop()
  }
  return chosen
}

function planBelief(view: Item, next: QuotaBelief, ifChangedAtMs: number, nowMs: number): ItemUpdate {
  const update = emptyUpdate()
  const unchanged: Condition = [{ attribute: 'changedAtMs', is: '=', value: ifChangedAtMs }]
  const never: Condition = [{ attribute: 'changedAtMs', is: 'absent' }]
  update.conditions.push(ifChangedAtMs === 0 ? [...never, ...unchanged] : unchanged)
  Object.assign(update.sets, next)
  // What is in use was charged as time at the rate until now. With less of a rate it takes longer to come back; else a
  // rate that goes down would make room.
  const slower = (numberOf(view, 'ratePermille') ?? 1000) / next.ratePermille - 1
  for (const attribute of [tokensAt, expectedAt, requestsAt]) {
    const usedMicros = (numberOf(view, attribute) ?? 0) - nowMs * 1000
    if (usedMicros > 0 && slower > 0) add(update, attribute, Math.ceil(usedMicros * slower))
  }
  keep(update, view, nowMs)
  return update
}

function planMode(view: Item, mode: QuotaMode, nowMs: number): ItemUpdate {
  const update = emptyUpdate()
  update.sets.quotaMode = mode
  keep(update, view, nowMs)
  return update
}
