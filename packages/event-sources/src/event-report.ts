/** The answer to events of which nobody waits for one: asynchronous invocations. */

import { outcomesById, type RecordOutcome, SluiceError, type SluiceErrorCode } from '@sluice/core'

/** What became of the records; for a destination of the function, if it has one. */
export interface EventReport {
  /** Ids of the records that are done. */
  readonly done: readonly string[]
  /** Those that would fail again, however often they came. */
  readonly refused: readonly RefusedRecord[]
}

export interface RefusedRecord {
  readonly id: string
  /** The name of the error. */
  readonly error: string
  readonly message: string
}

/** What the record itself is to blame for. Sent again it would be in vain. */
const ownFaults: ReadonlySet<SluiceErrorCode> = new Set([
  'invalid_event',
  'invalid_request',
  'invalid_answer',
  'payload_too_large',
])

/**
 * @throws the reason of a record that may succeed, or that is nobody's fault: then Lambda sends the event twice more, and
 * gives it to the destination for failures
 */
export function eventReport(outcomes: readonly RecordOutcome[], ids: readonly string[]): EventReport {
  const outcomeOf = outcomesById(outcomes)
  const all = ids.map(outcomeOf)
  const refused = all.flatMap((outcome): RefusedRecord[] => {
    if (outcome.status === 'fulfilled') return []
    const { id, reason } = outcome
    if (!SluiceError.is(reason) || !ownFaults.has(reason.code)) throw reason
    return [{ id, error: reason.name, message: reason.message }]
  })
  return { done: all.filter(({ status }) => status === 'fulfilled').map(({ id }) => id), refused }
}
