import type { Counters, Tally } from '../local/bedrock/counters.ts'

/** What happened so far, in one line. */
export function countersLine(counters: Counters): string {
  return [
    `${counters.requests} requests`,
    ...Object.entries(counters.outcomes).map(([outcome, count]) => `${count} ${outcome}`),
    `${counters.open} open`,
    `${promptTokens(counters)} tokens in`,
    `${counters.outputTokens} out`,
  ].join(' · ')
}

/** What happened, a row for each model. */
export function countersTable(counters: Counters): string {
  const rows = [
    ...Object.entries(counters.models).map(([modelId, tally]) => row(modelId, tally)),
    row('total', counters),
  ]
  const cells = [['model', 'requests', 'tokens in', 'tokens out', 'most open', 'outcomes'], ...rows]
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? []
  const lines = cells.map((line) =>
    line
      .map((cell, column) => pad(cell, column, widths))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function row(name: string, tally: Tally): string[] {
  const outcomes = Object.entries(tally.outcomes).map(([outcome, count]) => `${outcome} ${count}`)
  return [
    name,
    String(tally.requests),
    String(promptTokens(tally)),
    String(tally.outputTokens),
    String(tally.maxOpen),
    outcomes.join(', ') || '-',
  ]
}

function pad(cell: string, column: number, widths: readonly number[]): string {
  const isText = column === 0 || column === widths.length - 1
  return isText ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
}

function promptTokens({ inputTokens, cacheReadTokens, cacheWriteTokens }: Tally): number {
  return inputTokens + cacheReadTokens + cacheWriteTokens
}
