import type { Counters } from 'sluice/local'
import type { RoundFigures } from './worker.ts'

export interface ExpectedWork {
  operation: 'invoke' | 'stream'
  calls: number
  maxTokens: number
  /** Length of one answer, as the first arm saw it. */
  charactersPerCall?: number
}

/**
 * Throws unless the endpoint's own account says that the arm did just what was asked of it: so many calls, all
 * answered, each with so many tokens, and that the arm handed the whole text on. What failed fast, was retried
 * or was cut short would look cheap.
 */
export function checkWork(
  arm: string,
  expected: ExpectedWork,
  figures: RoundFigures,
  counters: Counters,
): void {
  const { operation, calls, maxTokens } = expected
  const kind = operation === 'invoke' ? 'converse' : 'converse-stream'
  const wanted = {
    requests: calls,
    [kind]: calls,
    ok: calls,
    outputTokens: calls * maxTokens,
    // Sequential calls of one arm, while all the others are quiet.
    maxOpen: 1,
  }
  const seen = {
    requests: counters.requests,
    [kind]: counters.operations[kind] ?? 0,
    ok: counters.outcomes.ok ?? 0,
    outputTokens: counters.outputTokens,
    maxOpen: counters.maxOpen,
  }
  if (JSON.stringify(seen) !== JSON.stringify(wanted)) {
    throw new Error(
      `Arm ${arm}: the endpoint saw ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}.`,
    )
  }
  const wholeText = calls * (expected.charactersPerCall ?? figures.characters / calls)
  if (figures.characters !== wholeText || wholeText === 0) {
    throw new Error(`Arm ${arm}: handed on ${figures.characters} characters of ${wholeText}.`)
  }
}
