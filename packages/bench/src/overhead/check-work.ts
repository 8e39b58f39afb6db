import type { Counters } from 'sluice/local'
import type { Measure } from './measures.ts'
import type { RoundFigures } from './worker.ts'

/** Throws when an arm did anything else than it was told. */
export type WorkCheck = (arm: string, calls: number, figures: RoundFigures, counters: Counters) => void

/**
 * Makes the check of one measure: by the endpoint's own account the arm made just so many calls, all answered,
 * each with so many tokens, and the arm handed on as much text as the first arm did. What fails fast, is
 * retried or cut short would look cheap.
 */
export function workCheck({ operation, maxTokens }: Pick<Measure, 'operation' | 'maxTokens'>): WorkCheck {
  const route = operation === 'invoke' ? 'converse' : 'converse-stream'
  let charactersPerCall: number | undefined
  return (arm, calls, figures, counters) => {
    charactersPerCall ??= figures.characters / calls
    const wanted = {
      requests: calls,
      [route]: calls,
      ok: calls,
      outputTokens: calls * maxTokens,
      // One call after the other, while all other arms are quiet.
      maxOpen: 1,
      charactersHandedOn: calls * charactersPerCall,
    }
    const seen = {
      requests: counters.requests,
      [route]: counters.operations[route] ?? 0,
      ok: counters.outcomes.ok ?? 0,
      outputTokens: counters.outputTokens,
      maxOpen: counters.maxOpen,
      charactersHandedOn: figures.characters,
    }
    if (charactersPerCall === 0 || JSON.stringify(seen) !== JSON.stringify(wanted)) {
      throw new Error(`Arm ${arm}: saw ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}.`)
    }
  }
}
