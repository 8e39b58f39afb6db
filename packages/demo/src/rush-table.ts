import { grid, type Row } from './grid.ts'
import type { PatternReport } from './report.ts'

const columns = [
  'messages',
  'answered',
  'failed',
  'requests',
  '429s',
  'deferred',
  'p50 ms',
  'p99 ms',
  'seconds',
  'tokens/s',
] as const

/** What became of more work than the quota carries. */
export function rushTable(patterns: readonly PatternReport[]): string {
  const rows = patterns.map(
    ({ pattern, messages, failed, deferred, endpoint, own }): Row<(typeof columns)[number]> => ({
      head: pattern,
      cells: {
        messages,
        answered: messages - failed,
        failed,
        requests: endpoint?.requests,
        '429s': endpoint?.overQuota,
        deferred: deferred || undefined,
        'p50 ms': own?.p50Ms,
        'p99 ms': own?.p99Ms,
        ...(endpoint && rates(endpoint)),
      },
    }),
  )
  return grid(rows, columns)
}

function rates({ spanMs, tokens }: NonNullable<PatternReport['endpoint']>) {
  const seconds = spanMs / 1000
  return { seconds: seconds.toFixed(1), 'tokens/s': Math.round((tokens.in + tokens.out) / seconds) }
}
