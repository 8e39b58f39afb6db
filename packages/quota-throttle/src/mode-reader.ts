/** Which mode an invocation is in: as configured, or as its context says. */

import type { QuotaMode } from '@sluice/store'

/** What other middlewares have put on the context of the invocation: a parameter, a flag. */
export type ModeFromContext = (context: Readonly<Record<string, unknown>>) => unknown

export const quotaModes: readonly QuotaMode[] = ['enforce', 'observe', 'off']

/**
 * Reads the mode with each call, when all hooks have run: the order of `.use()` does not matter. A parameter that is
 * missing, or misspelt, must not switch anything off: then quotas are enforced, and a warning says so once.
 */
export function modeReader(mode: QuotaMode | ModeFromContext): (context: object) => QuotaMode {
  if (typeof mode !== 'function') return () => mode
  let warned = false
  return function readMode(context) {
    const found = mode(context as Readonly<Record<string, unknown>>)
    if (quotaModes.includes(found as QuotaMode)) return found as QuotaMode
    if (!warned) {
      warned = true
      const what = `quotaThrottle: mode gave ${JSON.stringify(found)}. Use one of: ${quotaModes.join(', ')}.`
      process.emitWarning(`${what} Until then: enforce.`, 'SluiceWarning')
    }
    return 'enforce'
  }
}
