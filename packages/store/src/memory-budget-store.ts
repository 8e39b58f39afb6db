/** Budgets of one sandbox. */

import type { BudgetAccount, BudgetState, BudgetStore } from './budget-store.ts'
import { type BudgetSums, budgetState, expiredSums, reservedUntil } from './budget-sums.ts'

export interface MemoryBudgetStoreOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * A store for the budgets of one sandbox: each sandbox could spend all of it. For tests, and for programs that run once.
 *
 * @example
 * ```ts
 * import { memoryBudgetStore } from '@sluice/store'
 *
 * const store = memoryBudgetStore()
 * const account = { key: 'today', limit: 1_000n, forgetAtMs: Date.now() + 86_400_000 }
 * const reservation = { id: crypto.randomUUID(), amount: 300n, expiresAtMs: Date.now() + 60_000 }
 * const { refusedBy } = await store.reserve([account], reservation)
 * if (refusedBy === undefined) await store.settle([account], reservation, 120n)
 * ```
 */
export function memoryBudgetStore({ now = Date.now }: MemoryBudgetStoreOptions = {}): BudgetStore {
  const accounts = new Map<string, { readonly sums: Map<string, bigint>; readonly forgetAtMs: number }>()
  const settled = new Map<string, { readonly spent: bigint; readonly forgetAtMs: number }>()

  function forget(): void {
    for (const entries of [accounts, settled]) {
      for (const [key, { forgetAtMs }] of entries) if (forgetAtMs <= now()) entries.delete(key)
    }
  }
  function sumsOf({ key, forgetAtMs }: BudgetAccount): Map<string, bigint> {
    const sums = accounts.get(key)?.sums ?? new Map<string, bigint>()
    accounts.set(key, { sums, forgetAtMs })
    for (const name of expiredSums(sums, now())) sums.delete(name)
    return sums
  }
  function stateOf({ key }: BudgetAccount): BudgetState {
    const none: BudgetSums = new Map()
    return budgetState(accounts.get(key)?.sums ?? none, now())
  }

  return {
    async reserve(into, { amount, expiresAtMs }, signal) {
      signal?.throwIfAborted()
      forget()
      const index = into.findIndex(
        (account) => (sumsOf(account).get('totalAmount') ?? 0n) + amount > account.limit,
      )
      if (index < 0) {
        for (const account of into) {
          const sums = sumsOf(account)
          add(sums, 'totalAmount', amount)
          add(sums, reservedUntil(expiresAtMs), amount)
        }
      }
      return { refusedBy: index < 0 ? undefined : index, states: into.map(stateOf) }
    },
    async settle(into, { id, amount, expiresAtMs }, spent, signal) {
      signal?.throwIfAborted()
      const before = settled.get(id)
      for (const account of into) {
        const sums = sumsOf(account)
        add(sums, 'totalAmount', spent - (before?.spent ?? amount))
        if (!before) add(sums, reservedUntil(expiresAtMs), -amount)
      }
      settled.set(id, { spent, forgetAtMs: Math.max(...into.map(({ forgetAtMs }) => forgetAtMs)) })
      return into.map(stateOf)
    },
    async read(account, signal) {
      signal?.throwIfAborted()
      return stateOf(account)
    },
  }
}

function add(sums: Map<string, bigint>, name: string, amount: bigint): void {
  sums.set(name, (sums.get(name) ?? 0n) + amount)
}
