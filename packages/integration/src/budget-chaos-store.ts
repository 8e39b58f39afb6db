/** A store that fails now and then, before or after the backend has done it, and a journal of what was really done. */

import type { BudgetState, BudgetStore } from '@sluice/store'

export interface Journal {
  /** Reservations that the backend has made, by id. */
  readonly made: Map<string, Entry>
  /** The most that was ever spent and reserved, as any sandbox was told. */
  most: bigint
  failures: number
}

interface Entry {
  readonly amount: bigint
  readonly account: string
  settled?: bigint
  /** Whoever asked for it was told that the store had failed. */
  lost?: boolean
}

export function newJournal(): Journal {
  return { made: new Map(), most: 0n, failures: 0 }
}

/** At most two settlements of one id fail, so that the fourth try is never needed. */
export function chaosStore(store: BudgetStore, journal: Journal, random: () => number): BudgetStore {
  const failures = new Map<string, number>()

  function fail(): never {
    journal.failures++
    throw new Error('no answer')
  }
  function note(states: readonly BudgetState[]): void {
    for (const { spent, reserved } of states) {
      if (spent + reserved > journal.most) journal.most = spent + reserved
    }
  }

  return {
    async reserve(accounts, reservation, signal) {
      const luck = random()
      if (luck < 0.05) fail()
      const result = await store.reserve(accounts, reservation, signal)
      note(result.states)
      const { id, amount } = reservation
      const entry: Entry = { amount, account: accounts[0]?.key ?? '' }
      if (result.refusedBy === undefined) journal.made.set(id, entry)
      if (luck > 0.9) {
        entry.lost = true
        fail()
      }
      return result
    },
    async settle(accounts, reservation, spent, signal) {
      const { id } = reservation
      const failed = failures.get(id) ?? 0
      const luck = failed < 2 ? random() : 0.5
      failures.set(id, failed + 1)
      if (luck < 0.1) fail()
      const states = await store.settle(accounts, reservation, spent, signal)
      note(states)
      const entry = journal.made.get(id)
      if (entry) entry.settled = spent
      if (luck > 0.9) fail()
      return states
    },
    read: store.read,
  }
}
