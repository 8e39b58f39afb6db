import type { Readable } from 'node:stream'
import { linesOf, recordIn } from './cost-lines.ts'
import { summing } from './cost-summary.ts'
import { costJson, costTables } from './cost-view.ts'
import { parseOptions } from './parse-options.ts'
import { UsageError } from './usage-error.ts'

export const costHelp = `sluice cost: what model calls have cost, from the logs of your functions

Usage:
  sluice cost [options] [FILE ...]
  aws logs tail /aws/lambda/NAME --since 1d | sluice cost

Reads the records that costMeter() writes, as metrics in embedded format or through Powertools' Logger: lines of JSON,
whatever stands before them, and exports of CloudWatch as JSON. Files that end in .gz are unpacked; without a file, or
for the file -, it reads standard input. A record that comes twice is counted once.

Options:
  --by LIST       tables by: tenant, model, day, route, tag:NAME   (default: tenant,model,route,day)
  --since DATE    from this day on, UTC, for example 2026-11-01    (default: all)
  --until DATE    up to this day, UTC, itself included             (default: all)
  --top N         rows of a table at most                          (default: 10)
  --json          all of it as JSON, money as exact decimal text
  --help          this text
`

const options = {
  by: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  top: { type: 'string' },
  json: { type: 'boolean' },
} as const

interface Settings {
  readonly dimensions: readonly string[]
  readonly fromMs: number
  readonly toMs: number
  readonly top: number
  readonly json: boolean
  readonly files: readonly string[]
}

/** What the command reads from and writes to. */
export interface CostStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: { write(text: string): unknown; readonly columns?: number }
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean }
}

/** Reads logs and prints what is in them. */
export async function costCommand(argv: readonly string[], streams: CostStreams = process): Promise<void> {
  const { dimensions, fromMs, toMs, top, json, files } = settingsOf(argv)
  if (files.length === 0 && streams.stdin.isTTY) throw usage('give files, or pipe logs into it')
  const sums = summing(dimensions)
  const counts = { lines: 0, records: 0, repeated: 0, broken: 0, outside: 0 }
  const progress = progressOn(streams.stderr)

  for (const file of files.length > 0 ? files : ['-']) {
    for await (const line of linesOf(file, streams.stdin, progress.bytes)) {
      counts.lines++
      progress.lines(counts.lines)
      const found = recordIn(line)
      if (found === 'other') continue
      if (found === 'broken') counts.broken++
      else if (found.startedAtMs < fromMs || found.startedAtMs >= toMs) counts.outside++
      else if (sums.add(found)) counts.records++
      else counts.repeated++
    }
  }
  progress.end()

  if (counts.records === 0) {
    const others = counts.outside > 0 ? `, ${counts.outside} of other days` : ''
    throw usage(
      `there is no cost record in ${counts.lines} lines${others}. costMeter({ metrics }) or costMeter({ logger }) ` +
        'writes them',
    )
  }
  if (counts.broken > 0) {
    streams.stderr.write(`sluice cost: ${counts.broken} lines could not be read and are in no sum.\n`)
  }
  const summary = sums.summary()
  streams.stdout.write(json ? costJson(summary) : costTables(summary, top, streams.stdout.columns ?? 80))
}

function settingsOf(argv: readonly string[]): Settings {
  const { values, positionals } = parseOptions(argv, options, 'sluice cost --help', true)
  const dimensions = (values.by ?? 'tenant,model,route,day').split(',').map((name) => name.trim())
  for (const name of dimensions) {
    if (!/^(?:tenant|model|day|route|tag:.+)$/.test(name)) {
      throw usage(`--by knows tenant, model, day, route and tag:NAME, not '${name}'`)
    }
  }
  const top = Number(values.top ?? 10)
  if (!(Number.isInteger(top) && top > 0))
    throw usage(`--top needs a whole number above 0, not '${values.top}'`)
  const dayMs = 86_400_000
  return {
    dimensions: [...new Set(dimensions)],
    fromMs: day('--since', values.since) ?? Number.NEGATIVE_INFINITY,
    toMs: (day('--until', values.until) ?? Number.POSITIVE_INFINITY) + dayMs,
    top,
    json: values.json ?? false,
    files: positionals,
  }
}

function day(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const atMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  // Some engines roll the 31st of a short month over to the next.
  if (Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== text) {
    throw usage(`${option} needs a day such as 2026-11-01, not '${text}'`)
  }
  return atMs
}

/** How far it has come, for people who wait. */
function progressOn(stderr: CostStreams['stderr']) {
  let bytes = 0
  let shown = false
  return {
    bytes(count: number): void {
      bytes += count
    },
    lines(count: number): void {
      if (!stderr.isTTY || count % 50_000 !== 0) return
      shown = true
      stderr.write(`\r\x1b[2K${count} lines, ${Math.round(bytes / 1e6)} MB`)
    },
    end(): void {
      if (shown) stderr.write('\r\x1b[2K')
    },
  }
}

function usage(problem: string): UsageError {
  return new UsageError(problem, 'sluice cost --help')
}
