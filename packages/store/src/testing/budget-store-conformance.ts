/** What budgets rely on. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { BudgetAccount, BudgetReservation, BudgetStore } from '../budget-store.ts'
import type { ConformanceCase } from './conformance-case.ts'

export interface BudgetStoreHarness {
  /** A sandbox of its own on the common backend. */
  open(): BudgetStore
  now(): number
  /** Moves the clock of all sandboxes. */
  advance(durationMs: number): Promise<void> | void
  /** How long after `expiresAtMs` a reservation counts as spent, at most. */
  readonly expiryMs: number
}

/** The suite for one budget store. Accounts are new in every run: the store may be in use. */
export function budgetStoreConformance(harness: () => BudgetStoreHarness): ConformanceCase[] {
  const accountOf = (limit: bigint): BudgetAccount => ({
    key: randomUUID(),
    limit,
    forgetAtMs: harness().now() + 86_400_000,
  })
  const reservationOf = (amount: bigint): BudgetReservation => ({
    id: randomUUID(),
    amount,
    expiresAtMs: harness().now() + 60_000,
  })

  return [
    {
      name: 'what is reserved is held until it is settled, then what was spent counts',
      async run() {
        const store = harness().open()
        const [account, reservation] = [accountOf(1_000n), reservationOf(600n)]
        assert.deepEqual(await store.read(account), { spent: 0n, reserved: 0n })
        const reserved = await store.reserve([account], reservation)
        assert.deepEqual(reserved, { refusedBy: undefined, states: [{ spent: 0n, reserved: 600n }] })
        const settled = await store.settle([account], reservation, 250n)
        assert.deepEqual(settled, [{ spent: 250n, reserved: 0n }])
        assert.deepEqual(await store.read(account), { spent: 250n, reserved: 0n })
      },
    },
    {
      name: 'all that is left can be reserved, and not one more',
      async run() {
        const store = harness().open()
        const account = accountOf(1_000n)
        await store.reserve([account], reservationOf(600n))
        assert.deepEqual(await store.reserve([account], reservationOf(401n)), {
          refusedBy: 0,
          states: [{ spent: 0n, reserved: 600n }],
        })
        assert.equal((await store.reserve([account], reservationOf(400n))).refusedBy, undefined)
        assert.equal((await store.reserve([account], reservationOf(1n))).refusedBy, 0)
        assert.equal((await store.reserve([accountOf(5n)], reservationOf(6n))).refusedBy, 0)
      },
    },
    {
      name: 'all accounts or none',
      async run() {
        const store = harness().open()
        const [wide, narrow, other] = [accountOf(1_000n), accountOf(100n), accountOf(50n)]
        const all = [wide, narrow, other]
        const refused = await store.reserve(all, reservationOf(70n))
        assert.equal(refused.refusedBy, 2)
        for (const account of all) assert.deepEqual(await store.read(account), { spent: 0n, reserved: 0n })
        const reservation = reservationOf(50n)
        const { refusedBy, states } = await store.reserve(all, reservation)
        assert.equal(refusedBy, undefined)
        assert.deepEqual(states, Array(3).fill({ spent: 0n, reserved: 50n }))
        assert.equal((await store.reserve([wide, narrow], reservationOf(51n))).refusedBy, 1)
        const settled = await store.settle(all, reservation, 20n)
        assert.deepEqual(settled, Array(3).fill({ spent: 20n, reserved: 0n }))
      },
    },
    {
      name: 'of 200 at once as many reserve as there is room for',
      async run() {
        const account = accountOf(1_005n)
        const reservers = Array.from({ length: 200 }, () => harness().open())
        const results = await Promise.all(
          reservers.map((store) => store.reserve([account], reservationOf(50n))),
        )
        assert.equal(results.filter(({ refusedBy }) => refusedBy === undefined).length, 20)
        assert.deepEqual(await harness().open().read(account), { spent: 0n, reserved: 1_000n })
      },
    },
    {
      name: 'a settlement counts once, however often and from wherever it comes',
      async run() {
        const [account, reservation] = [accountOf(10_000n), reservationOf(600n)]
        await harness().open().reserve([account], reservation)
        await harness().open().reserve([account], reservationOf(1_000n))
        const settlements = Array.from({ length: 5 }, () =>
          harness().open().settle([account], reservation, 250n),
        )
        await Promise.all(settlements)
        const state = await harness().open().settle([account], reservation, 250n)
        assert.deepEqual(state, [{ spent: 250n, reserved: 1_000n }])
      },
    },
    {
      name: 'a later settlement corrects the one before',
      async run() {
        const store = harness().open()
        const accounts = [accountOf(10_000n), accountOf(10_000n)]
        const reservation = reservationOf(600n)
        await store.reserve(accounts, reservation)
        await store.settle(accounts, reservation, 250n)
        const state = { spent: 900n, reserved: 0n }
        assert.deepEqual(await store.settle(accounts, reservation, 900n), [state, state])
        const lower = { spent: 0n, reserved: 0n }
        assert.deepEqual(await harness().open().settle(accounts, reservation, 0n), [lower, lower])
      },
    },
    {
      name: 'what expires unsettled is spent in full, and a late settlement corrects that',
      async run() {
        const store = harness().open()
        const [account, reservation] = [accountOf(1_000n), reservationOf(600n)]
        await store.reserve([account], reservation)
        await harness().advance(59_999)
        assert.deepEqual(await store.read(account), { spent: 0n, reserved: 600n })
        await harness().advance(1 + harness().expiryMs)
        assert.deepEqual(await store.read(account), { spent: 600n, reserved: 0n })
        assert.equal((await store.reserve([account], reservationOf(401n))).refusedBy, 0)
        await harness().advance(120_000)
        // Others write in between, and tidy up.
        for (let n = 0; n < 3; n++) await store.reserve([account], reservationOf(10n))
        const settled = await store.settle([account], reservation, 100n)
        assert.deepEqual(settled, [{ spent: 100n, reserved: 30n }])
        assert.deepEqual(await store.settle([account], reservation, 100n), settled)
      },
    },
    {
      name: 'amounts are exact far beyond what a floating-point number holds',
      async run() {
        const store = harness().open()
        const account = accountOf(9_000_000_000_000_000_001n)
        const reservation = reservationOf(9_000_000_000_000_000_000n)
        await store.reserve([account], reservation)
        assert.equal((await store.reserve([account], reservationOf(2n))).refusedBy, 0)
        await store.reserve([account], reservationOf(1n))
        assert.deepEqual(await store.read(account), { spent: 0n, reserved: 9_000_000_000_000_000_001n })
        const [state] = await store.settle([account], reservation, 8_999_999_999_999_999_999n)
        assert.deepEqual(state, { spent: 8_999_999_999_999_999_999n, reserved: 1n })
      },
    },
    {
      name: 'more than was reserved may have been spent: it counts, and nothing more is let in',
      async run() {
        const store = harness().open()
        const [account, reservation] = [accountOf(1_000n), reservationOf(600n)]
        await store.reserve([account], reservation)
        assert.deepEqual(await store.settle([account], reservation, 1_500n), [
          { spent: 1_500n, reserved: 0n },
        ])
        assert.equal((await store.reserve([account], reservationOf(1n))).refusedBy, 0)
      },
    },
    {
      name: 'an operation of a caller who has gone rejects',
      async run() {
        const [store, account, reservation] = [harness().open(), accountOf(10n), reservationOf(1n)]
        const gone = AbortSignal.abort()
        await assert.rejects(store.reserve([account], reservation, gone))
        await assert.rejects(store.settle([account], reservation, 1n, gone))
        await assert.rejects(store.read(account, gone))
        assert.deepEqual(await store.read(account), { spent: 0n, reserved: 0n })
      },
    },
  ]
}
