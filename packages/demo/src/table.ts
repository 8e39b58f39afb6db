import { grid, type Row as RowOf } from './grid.ts'
import type { PatternReport } from './report.ts'

const columns = [
  'events',
  'calls',
  'requests',
  'tokens in',
  'tokens out',
  'p50 ms',
  'p99 ms',
  'sockets',
  'faults',
  'survived',
  'failed',
] as const

type Row = RowOf<(typeof columns)[number]>

/** Both accounts of each pattern, one below the other. */
export function table(patterns: readonly PatternReport[]): string {
  const rows = patterns.flatMap((pattern): Row[] => [
    { head: pattern.pattern, cells: {} },
    ...endpointRow(pattern),
    ownRow(pattern),
  ])
  return grid(rows, columns)
}

function endpointRow({ endpoint }: PatternReport): Row[] {
  if (!endpoint) return []
  const { requests, tokens, p50Ms, p99Ms, connections, faults } = endpoint
  const cells = {
    requests,
    'tokens in': tokens.in,
    'tokens out': tokens.out,
    'p50 ms': p50Ms,
    'p99 ms': p99Ms,
    sockets: connections,
    faults,
  }
  return [{ head: '  endpoint', cells }]
}

function ownRow({ endpoint, own, events, eventMs, failed, survived }: PatternReport): Row {
  const seen = { events, failed, survived: endpoint ? survived : undefined }
  if (!own) {
    return { head: '  bare SDK', cells: { ...seen, 'p50 ms': eventMs?.p50Ms, 'p99 ms': eventMs?.p99Ms } }
  }
  const cells = {
    ...seen,
    calls: own.calls,
    requests: own.attempts,
    'tokens in': own.tokens.in,
    'tokens out': own.tokens.out,
    'p50 ms': own.p50Ms,
    'p99 ms': own.p99Ms,
  }
  return { head: '  Sluice', cells }
}
