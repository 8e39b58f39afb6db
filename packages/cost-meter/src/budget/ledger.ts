/** Budgets on a store: what one attempt reserves in all of them or in none, and settles once. */

import { randomUUID } from 'node:crypto'
import { type Clock, sleep } from '@sluice/core'
import type { BudgetAccount, BudgetState, BudgetStore } from '@sluice/store'
import type { Budget } from './limit.ts'
import { type OlderSum, olderSlices } from './older-slices.ts'
import type { Span } from './period.ts'

/** How a budget stands, in picodollars. */
export interface Standing extends Budget {
  readonly span: Span
  readonly spent: bigint
  /** Held by those who run. */
  readonly reserved: bigint
  /** When there is so much room again, at the latest: who runs may cost less. */
  roomAtMs(overBy: bigint): number
}

export interface Reserving {
  readonly budgets: readonly Budget[]
  /** The most that it can cost. */
  readonly amount: bigint
  /** Whether hard limits refuse. */
  readonly enforced: boolean
  readonly expiresAtMs: number
  readonly clock: Clock
}

export interface Reserved {
  /** As the operation left them. */
  readonly standings: readonly Standing[]
  /** The first that had no room: then nothing is reserved. */
  readonly refused: Standing | undefined
  /** Replaces what is reserved by what was spent. Rejects when the store fails again and again. */
  settle(spent: bigint): Promise<readonly Standing[]>
}

interface Charge {
  readonly budget: Budget
  readonly span: Span
  readonly older: readonly OlderSum[]
  readonly account: BudgetAccount
}

/** What no sum reaches: the most that the integers of Redis hold. */
const unlimited = 2n ** 63n - 1n
/** A settlement that fails is repeated after so many milliseconds: what is not settled counts in full. */
const settleAgainMs = [100, 200, 400]
/** Not the scope's: that one aborts when the drain begins, which waits for the settlement. */
const never = new AbortController().signal

export function openLedger(store: BudgetStore): (reserving: Reserving) => Promise<Reserved> {
  const olderOf = olderSlices(store)

  async function chargeOf(budget: Budget, { clock, enforced }: Reserving): Promise<Charge> {
    const nowMs = clock.now()
    const span = budget.spanAt(nowMs)
    // The owner comes last: whatever its name is, it makes no other key.
    const keyOf = (spanId: string) => `${budget.name}#${spanId}#${budget.owner}`
    const older = await olderOf(span.older, keyOf, nowMs)
    const left = enforced && budget.hard !== undefined ? budget.hard - totalOf(older) : unlimited
    const account = { key: keyOf(span.id), limit: left > 0n ? left : 0n, forgetAtMs: span.forgetAtMs }
    return { budget, span, older, account }
  }

  return async function reserve(reserving) {
    const { budgets, amount, expiresAtMs, clock } = reserving
    for (;;) {
      const charges = await Promise.all(budgets.map((budget) => chargeOf(budget, reserving)))
      const accounts = charges.map(({ account }) => account)
      const standingsOf = (states: readonly BudgetState[]) =>
        charges.map((charge, index) => standing(charge, states[index] as BudgetState))
      const reservation = { id: randomUUID(), amount, expiresAtMs }
      const { refusedBy, states } = await store.reserve(accounts, reservation)
      const standings = standingsOf(states)

      async function settle(spent: bigint): Promise<readonly Standing[]> {
        for (const delayMs of settleAgainMs) {
          try {
            return standingsOf(await store.settle(accounts, reservation, spent))
          } catch {
            await sleep(clock, delayMs, never)
          }
        }
        return standingsOf(await store.settle(accounts, reservation, spent))
      }

      // Others take a slice that is over as it is: who comes too late for one goes to the next.
      const late = charges.some(
        ({ budget, span }) => span.older.length > 0 && budget.spanAt(clock.now()).id !== span.id,
      )
      if (refusedBy !== undefined || !late) {
        return { standings, refused: refusedBy === undefined ? undefined : standings[refusedBy], settle }
      }
      await settle(0n)
    }
  }
}

function standing({ budget, span, older }: Charge, { spent, reserved }: BudgetState): Standing {
  return {
    ...budget,
    span,
    spent: spent + totalOf(older),
    reserved,
    roomAtMs(overBy) {
      let freed = 0n
      const enough = older.find(({ total }) => {
        freed += total
        return freed >= overBy
      })
      return (enough ?? span).leavesAtMs
    },
  }
}

function totalOf(older: readonly OlderSum[]): bigint {
  return older.reduce((sum, { total }) => sum + total, 0n)
}
