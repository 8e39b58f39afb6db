/** A switch that is outside of the code: read now and then, and left as it was where that fails. */

import type { Clock } from '@sluice/core'
import { inTime } from '../in-time.ts'

/** `observe` sends everything, counts it, and reports what it would have refused; `off` does nothing at all. */
export type BudgetMode = 'enforce' | 'observe' | 'off'

/** Reads the mode from wherever it can be changed without a deployment: a parameter, a feature flag, a table. */
export type BudgetModeReader = (signal: AbortSignal) => BudgetMode | Promise<BudgetMode>

const readEveryMs = 30_000
const readWithinMs = 1_000

/** @throws TypeError when the mode is none */
export function modeSwitch(
  mode: BudgetMode | BudgetModeReader,
): (clock: Clock) => BudgetMode | Promise<BudgetMode> {
  if (typeof mode !== 'function') {
    checkMode(mode)
    return () => mode
  }
  const read = mode
  let known: BudgetMode = 'enforce'
  let staleAtMs = Number.NEGATIVE_INFINITY
  let reading: Promise<BudgetMode> | undefined

  async function refresh(clock: Clock): Promise<BudgetMode> {
    try {
      const found = await inTime(clock, readWithinMs, read)
      checkMode(found)
      known = found
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      process.emitWarning(
        `budget: the mode could not be read, and stays "${known}": ${reason}`,
        'SluiceWarning',
      )
    }
    staleAtMs = clock.now() + readEveryMs
    return known
  }

  return (clock) => {
    if (clock.now() < staleAtMs) return known
    reading ??= refresh(clock).finally(() => {
      reading = undefined
    })
    return reading
  }
}

function checkMode(mode: unknown): asserts mode is BudgetMode {
  if (mode !== 'enforce' && mode !== 'observe' && mode !== 'off') {
    throw new TypeError(`budget: mode is ${JSON.stringify(mode)}. Use one of: enforce, observe, off.`)
  }
}
