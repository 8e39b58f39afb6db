/** The way of one attempt: hold, wait, extend while it lives, settle. */

import { randomUUID } from 'node:crypto'
import { type AttemptContext, abortError } from '@sluice/core'
import type { QuotaAnswer, QuotaTake } from '@sluice/store'
import type { Demand } from './demand.ts'
import type { Gate, Keeper } from './gate.ts'
import type { Refused } from './refusal.ts'

export interface Asker {
  readonly tenant: string
  readonly weight: number
  readonly priority: 'interactive' | 'batch'
}

export interface AdmissionOptions {
  readonly gate: Gate
  readonly demand: Demand
  readonly asker: Asker
  /** The longest that it may wait, in milliseconds. */
  readonly maxWaitMs: number
  /** How long a holder that says nothing is believed to live, in milliseconds. */
  readonly leaseMs: number
  /** Holds what it takes whatever the limits say, and waits for nothing. */
  readonly force: boolean
}

/** Refused, or held until `settle`. */
export interface Admission {
  /** Unique for ever. */
  readonly id: string
  readonly refused?: Refused
  /** In line when it was refused although it had been told to ask again. */
  readonly stuck: boolean
  readonly waitedMs: number
  /** Once, with what the provider charges; 0 and false for what was never sent. */
  settle(usedTokens: number, sent: boolean): Promise<void>
}

/** More than the first and two more were not foreseen. */
const fewAsks = 3
/** Before a hold expires, its holder says that it lives. */
const extendBeforeMs = 1_000

/** @throws what the attempt's signal was aborted with; then nothing is held */
export async function admit(
  { gate, demand, asker, maxWaitMs, leaseMs, force }: AdmissionOptions,
  context: AttemptContext,
): Promise<Admission> {
  const { clock } = context.scope
  const { signal } = context
  const { tokens, expectedTokens } = demand
  const id = randomUUID()
  const startedAtMs = clock.now()
  let expiresAtMs = 0
  let keeper: Keeper = 'nobody'
  let ticket: string | undefined
  let booked = false
  let settled = false
  let stopExtending: (() => void) | undefined

  /** How long the line is, as far as is known: a place in it must not expire before its turn. */
  function lineMs(): number {
    const { balanceTokens = 0, limits } = gate
    const perMinute = limits.tokens?.perMinute ?? Infinity
    return Math.min(maxWaitMs, (Math.max(0, tokens - balanceTokens) * 60_000) / perMinute)
  }

  function leftMs(): number {
    return startedAtMs + maxWaitMs - clock.now()
  }

  async function ask(patienceMs: number): Promise<QuotaAnswer> {
    // Where a place in line is held already, its expiry stands; `extendLater` moves it.
    if (!booked) expiresAtMs = clock.now() + leaseMs + lineMs()
    const take: QuotaTake = {
      ...{ id, ...asker, tokens, expectedTokens, expiresAtMs },
      maxWaitMs: Math.max(0, Math.floor(patienceMs)),
      ...(force && { force }),
      ...(ticket !== undefined && { ticket }),
    }
    const taken = await gate.take(take)
    keeper = taken.keeper
    if (taken.answer.state === 'waiting') {
      ticket = taken.answer.ticket
      booked = taken.answer.startInMs !== undefined
    }
    return taken.answer
  }

  /** Whether it was let in before the time was over. */
  function sleepUntil(admitted: Promise<void> | undefined, delayMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const end = (how: () => void) => () => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        how()
      }
      const cancel = clock.after(
        delayMs,
        end(() => resolve(false)),
      )
      const onAbort = end(() => reject(abortError(signal)))
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
      void admitted?.then(end(() => resolve(true)))
    })
  }

  /** A holder that waits or runs for longer than its lease says so in time. */
  function extendLater(): void {
    stopExtending = clock.after(Math.max(0, expiresAtMs - extendBeforeMs - clock.now()), () => {
      if (keeper !== 'store' || settled) return
      const nextExpiresAtMs = clock.now() + leaseMs
      const extension = { id, tokens, expectedTokens, expiresAtMs, nextExpiresAtMs }
      expiresAtMs = nextExpiresAtMs
      context.scope.hold(gate.extend(extension))
      extendLater()
    })
  }

  async function settle(usedTokens: number, sent: boolean): Promise<void> {
    if (settled) return
    settled = true
    stopExtending?.()
    await gate.settle(
      { id, tokens, expiresAtMs, usedTokens, sent, ...(ticket !== undefined && { ticket }) },
      keeper,
    )
  }

  function done(answer?: QuotaAnswer, stuck = false): Admission {
    stopExtending?.()
    const admission = { id, stuck, waitedMs: clock.now() - startedAtMs, settle }
    if (answer?.state !== 'refused') {
      extendLater()
      return admission
    }
    const { limit, waitMs, overBy } = answer
    return { ...admission, refused: { limit: keeper === 'nobody' ? 'store' : limit, waitMs, overBy } }
  }

  let answer = await ask(maxWaitMs)
  try {
    for (let asks = 1; answer.state === 'waiting'; asks++) {
      const { askInMs, startInMs = Infinity, admitted } = answer
      if (asks === 1 && booked) extendLater()
      const slotAtMs = clock.now() + startInMs
      // Asking costs: the second time a little late, and who holds a place need not ask again, because its turn comes.
      const laterMs = asks === 1 ? askInMs : booked ? startInMs : 1.25 * askInMs + 50
      const lastMs = booked || leftMs() <= 0 ? Infinity : leftMs()
      const delayMs = Math.max(1, Math.min(laterMs, startInMs, lastMs))
      const woken = await sleepUntil(admitted, delayMs)
      if (woken || clock.now() >= slotAtMs) return done(undefined, asks > fewAsks)
      answer = await ask(leftMs())
      if (answer.state === 'refused') return done(answer, true)
    }
    if (signal.aborted) throw abortError(signal)
  } catch (error) {
    // The waiter leaves: what it held, or its place in the line, is somebody else's.
    if (answer.state !== 'refused') context.scope.hold(settle(0, false))
    stopExtending?.()
    throw error
  }
  return done(answer)
}
