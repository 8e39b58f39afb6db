import { describe, test } from 'vitest'
import { memoryItemTable } from '../fixtures/memory-item-table.ts'
import { quotaStoreConformance } from '../testing.ts'
import { reclaimMs } from './quota-holds.ts'
import { quotaStoreOn } from './quota-store.ts'

describe('conformance of the planner, on items in memory', () => {
  const table = memoryItemTable()
  let nowMs = 1_700_000_000_000
  const suite = quotaStoreConformance(() => ({
    open: ({ skewMs = 0 } = {}) => quotaStoreOn(table, { now: () => nowMs + skewMs }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    reclaimMs,
    exact: false,
  }))
  for (const { name, run } of suite) test(name, run)
})
