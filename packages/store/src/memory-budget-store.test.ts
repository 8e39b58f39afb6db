import { test } from 'vitest'
import { budgetExpiryMs } from './budget-sums.ts'
import { memoryBudgetStore } from './index.ts'
import { budgetStoreConformance } from './testing.ts'

let nowMs = 1_700_000_000_000
const store = memoryBudgetStore({ now: () => nowMs })
const suite = budgetStoreConformance(() => ({
  open: () => store,
  now: () => nowMs,
  advance(durationMs) {
    nowMs += durationMs
  },
  expiryMs: budgetExpiryMs,
}))
for (const { name, run } of suite) test(name, run)
