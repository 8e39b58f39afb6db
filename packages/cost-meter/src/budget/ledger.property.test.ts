/** Whatever runs, ends, dies or waits: the sums are those of a model that fits on a page. */

import { fakeClock } from '@sluice/core/testing'
import { memoryBudgetStore } from '@sluice/store'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openLedger, type Reserved } from './ledger.ts'
import type { Budget } from './limit.ts'
import { spansOf } from './period.ts'

const limits = { all: 2_000n, acme: 1_000n, globex: 1_500n }
type Owner = keyof typeof limits

interface Entry {
  readonly owners: readonly Owner[]
  readonly day: string
  readonly reserved: bigint
  spent: bigint | undefined
  readonly held: Reserved
}

const tenant = fc.constantFrom<Owner>('acme', 'globex')
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), tenant, amount: fc.bigInt(0n, 500n) }),
  },
  // Mostly less than was reserved, now and then more.
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat(),
      spent: fc.bigInt(0n, 600n),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      durationMs: fc.integer({ min: 1, max: 40_000_000 }),
    }),
  },
)

test('sums are additive, never negative, and above a limit only by what cost more than was reserved', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = fakeClock()
      const store = memoryBudgetStore({ now: clock.now })
      const reserve = openLedger(store)
      const spanAt = spansOf('day', 'Europe/Berlin')
      const budgetOf = (owner: Owner): Budget => ({
        name: 'b',
        owner,
        hard: limits[owner],
        soft: undefined,
        spanAt,
      })
      const entries: Entry[] = []
      const sum = (owner: Owner, of: (entry: Entry) => bigint) =>
        entries
          .filter(({ owners, day }) => owners.includes(owner) && day === spanAt(clock.now()).id)
          .reduce((total, entry) => total + of(entry), 0n)
      const totalOf = (owner: Owner) => sum(owner, ({ spent, reserved }) => spent ?? reserved)

      for (const step of steps) {
        if (step.kind === 'wait') await clock.advance(step.durationMs)
        if (step.kind === 'settle') {
          // Also of those that have expired; and again, as it was, of those that were settled before.
          const entry = entries[step.which % entries.length]
          if (entry) {
            entry.spent ??= step.spent
            await entry.held.settle(entry.spent)
          }
        }
        if (step.kind === 'reserve') {
          const owners = ['all', step.tenant] as const
          const short = owners.find((owner) => totalOf(owner) + step.amount > limits[owner])
          const held = await reserve({
            budgets: owners.map(budgetOf),
            amount: step.amount,
            enforced: true,
            expiresAtMs: clock.now() + 60_000,
            clock,
          })
          expect(held.refused?.owner).toBe(short)
          if (!held.refused) {
            entries.push({
              owners,
              day: spanAt(clock.now()).id,
              reserved: step.amount,
              spent: undefined,
              held,
            })
          }
          expect(held.standings.map(({ spent, reserved }) => spent + reserved)).toEqual(owners.map(totalOf))
        }
        for (const owner of Object.keys(limits) as Owner[]) {
          const key = `b#${spanAt(clock.now()).id}#${owner}`
          const { spent, reserved } = await store.read({ key, limit: 0n, forgetAtMs: 0 })
          expect(spent + reserved).toBe(totalOf(owner))
          expect(spent >= 0n && reserved >= 0n).toBe(true)
          const over = sum(owner, ({ spent = 0n, reserved }) => (spent > reserved ? spent - reserved : 0n))
          expect(spent + reserved).toBeLessThanOrEqual(limits[owner] + over)
        }
      }
    }),
    { numRuns: 200 },
  )
})
