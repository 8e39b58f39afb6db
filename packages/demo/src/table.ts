import { number, type PatternReport, type Report } from './report.ts'

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

interface Row {
  readonly head: string
  readonly cells: Partial<Record<(typeof columns)[number], number | undefined>>
}

/** Both accounts of each pattern, one below the other. */
export function table({ patterns }: Report): string {
  const rows = patterns.flatMap((pattern): Row[] => [
    { head: pattern.pattern, cells: {} },
    ...endpointRow(pattern),
    ownRow(pattern),
  ])
  const shown = columns.filter((column) => rows.some(({ cells }) => cells[column] !== undefined))
  const lines = [
    ['', ...shown],
    ...rows.map(({ head, cells }) => [head, ...shown.map((column) => text(cells[column]))]),
  ]
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)))
  return lines
    .map(([head = '', ...cells]) =>
      [head.padEnd(widths[0]!), ...cells.map((cell, at) => cell.padStart(widths[at + 1]!))]
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
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

function text(value: number | undefined): string {
  return value === undefined ? '' : number(value)
}
