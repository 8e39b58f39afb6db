/** What the model calls behind a stream take, and the means to stop them. */

import { type Attempt, type AttemptPolicy, addUsage, type SluiceError, type Usage } from '@sluice/core'

export interface Tally {
  /** To be added to the scope of the invocation. */
  readonly policy: AttemptPolicy
  /** Of all attempts that have ended; undefined when there was none. */
  readonly usage: Usage | undefined
  /** Called with what each attempt took. */
  onUsage: ((usage: Usage) => void) | undefined
  /** True when a provider did not tell its part of `usage`. */
  readonly estimated: boolean
  /** Up to now, those of open attempts included; undefined when there was none. */
  outputTokens(): number | undefined
  /** Ends every attempt that is open: their providers stop, and their outcomes are part of `usage` at once. */
  stop(reason: SluiceError): void
}

export function createTally(): Tally {
  const open = new Set<Attempt>()
  let usage: Usage | undefined
  let estimated = false

  const tally: Tally = {
    onUsage: undefined,
    policy: {
      name: 'tokenStream',
      stage: 'meter',
      wrap: (next) =>
        function tokenStream(request, context) {
          const { attempt } = context
          open.add(attempt)
          attempt.onEnd((outcome) => {
            open.delete(attempt)
            usage = usage ? addUsage(usage, outcome.usage) : outcome.usage
            estimated ||= outcome.estimated
            tally.onUsage?.(outcome.usage)
          })
          return next(request, context)
        },
    },
    get usage() {
      return usage
    },
    get estimated() {
      return estimated
    },
    outputTokens() {
      if (open.size === 0) return usage?.outputTokens
      let tokens = usage?.outputTokens ?? 0
      for (const attempt of open) tokens += attempt.usage().outputTokens
      return tokens
    },
    stop(reason) {
      for (const attempt of [...open]) attempt.abort(reason)
    },
  }
  return tally
}
