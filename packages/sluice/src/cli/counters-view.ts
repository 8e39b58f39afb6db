import type { Counters, Tally } from '../local/bedrock/counters.ts'
import { textTable } from './table.ts'

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
  const head = ['model', 'requests', 'tokens in', 'tokens out', 'most open', 'outcomes']
  return textTable([head, ...rows], (column) => column === 0 || column === head.length - 1)
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

function promptTokens({ inputTokens, cacheReadTokens, cacheWriteTokens }: Tally): number {
  return inputTokens + cacheReadTokens + cacheWriteTokens
}
