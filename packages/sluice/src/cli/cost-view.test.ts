import { expect, test } from 'vitest'
import type { Group, Summary } from './cost-summary.ts'
import { costTables } from './cost-view.ts'

const usd = 1_000_000_000_000n

function group(picoUsd: bigint): Group {
  return { picoUsd, atMostPicoUsd: picoUsd, attempts: 1, inputTokens: 10, outputTokens: 5, unpriced: 0 }
}

function summaryOf(total: bigint, groups: Summary['groups']): Summary {
  const none = { attempts: 0, picoUsd: 0n, atMostPicoUsd: 0n }
  return {
    total: group(total),
    groups,
    losses: { retries: none, aborts: none, oversized: { tokens: 0, answers: 0, picoUsd: 0n } },
    calls: { ended: 1, failed: 0, cached: 0, shed: 0 },
    lambda: { invocations: 0, picoUsd: 0n, waitingPicoUsd: 0n },
    unpricedModels: new Set(),
  }
}

test('days are in their order, bars in proportion, and the smallest day can be told from none', () => {
  const byDay = new Map([
    ['2026-11-22', group(8n * usd)],
    ['2026-11-20', group(4n * usd)],
    ['2026-11-23', group(1n)],
    ['2026-11-21', group(0n)],
  ])
  expect(
    costTables(summaryOf(12n * usd, { day: byDay }), 10, 38)
      .split('\n')
      .slice(2, 7),
  ).toEqual([
    'day            USD',
    '2026-11-20  4.0000  ████',
    '2026-11-21  0.0000',
    '2026-11-22  8.0000  ████████',
    '2026-11-23  0.0000  ▏',
  ])
})

test('the dearest first, rounded alike, half a unit up', () => {
  const byTenant = new Map([
    ['cheap', group(4_999_999_999n)],
    ['dear', group(120n * usd)],
    ['middle', group(1n * usd + 5_000_000_000n)],
  ])
  const output = costTables(summaryOf(121n * usd, { tenant: byTenant }), 2, 80)
  expect(output.split('\n').slice(2, 6)).toEqual([
    'tenant     USD  attempts  tokens in  tokens out',
    'dear    120.00         1         10           5',
    'middle    1.01         1         10           5',
    'and 1 more (--top 3)',
  ])
})
