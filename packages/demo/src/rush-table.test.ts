import { expect, test } from 'vitest'
import type { PatternReport } from './report.ts'
import { rushTable } from './rush-table.ts'

test('a pattern that answers more slowly does not look faster', () => {
  const endpoint = { requests: 12, overQuota: 2, spanMs: 4_000, tokens: { in: 3_000, out: 1_000 } }
  const own = { p50Ms: 700, p99Ms: 1_900 }
  const report = { pattern: 'shared-quota, after', messages: 10, failed: 1, deferred: 0, endpoint, own }
  const lines = rushTable([report as unknown as PatternReport]).split('\n')
  const [columns, figures] = lines.map((line) => line.split(/ {2,}/))
  expect(columns?.slice(1).map((name, at) => [name, figures?.[at + 1]])).toEqual([
    ['messages', '10'],
    ['answered', '9'],
    ['failed', '1'],
    ['requests', '12'],
    ['429s', '2'],
    ['p50 ms', '700'],
    ['p99 ms', '1,900'],
    ['seconds', '4.0'],
    ['tokens/s', '1,000'],
  ])
})
