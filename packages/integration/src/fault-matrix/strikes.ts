/** What the endpoint does to the requests of a scenario. */

import type { FaultRule } from 'sluice/local'
import type { Cell, MatrixFault } from './cell.ts'
import type { Way } from './matrix-event.ts'
import { pieces, stallMs } from './timing.ts'

/** One event for each piece, one before them, and two after them up to the usage. */
const events = { before: 0, streaming: 7, draining: pieces + 3 }

type Kind = FaultRule & { readonly afterEvents?: number }

function strikeOf(fault: MatrixFault, phase: Cell['phase'], ends: boolean): Kind {
  const afterEvents = events[phase]
  switch (fault) {
    case 'cut':
      return { fault: 'cut', afterEvents }
    case 'truncated':
      return { fault: 'truncate', afterEvents }
    case 'stall':
      return { fault: 'stall', afterEvents, ...(ends && { ms: stallMs }) }
    case 'throttle':
      return phase === 'before' ? { fault: 'throttle' } : { fault: 'streamException', afterEvents }
    default:
      return phase === 'before'
        ? { fault: 'error', name: 'ServiceUnavailableException', status: 503 }
        : { fault: 'streamException', afterEvents, name: 'internalServerException' }
  }
}

const known = new Map<string, FaultRule>()

/** One object for each strike, by which the endpoint knows it again. */
export function strike(...of: Parameters<typeof strikeOf>): FaultRule {
  const rule = strikeOf(...of)
  const key = JSON.stringify(rule)
  known.set(key, known.get(key) ?? rule)
  return known.get(key) as FaultRule
}

/** Every strike that a scenario has asked for. */
export function allStrikes(): readonly FaultRule[] {
  return [...known.values()]
}

/** What the caller is told when each attempt is struck before its first byte. */
export function codeBefore(fault: MatrixFault, way: Way): string {
  if (fault === 'throttle') return 'throttled'
  if (fault === '5xx') return 'unavailable'
  if (way === 'whole') return 'transport_failed'
  // To HTTP/2 a stream that was cut is one that has ended, unless its head had not come yet.
  return fault === 'cut' ? 'stream_interrupted or transport_failed' : 'stream_interrupted'
}
