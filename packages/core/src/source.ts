/** Where records come from: out of an event, and their outcomes back into a response. */

import type { Clock } from './clock.ts'
import { SluiceError } from './errors.ts'

/**
 * One kind of event: a queue's batch, an HTTP request, notifications of a bucket. Two functions are all that it needs,
 * without a state of their own, so that one source serves every invocation.
 *
 * @example
 * ```ts
 * import type { Source } from '@sluice/core'
 *
 * interface Order {
 *   readonly orderId: string
 * }
 *
 * export const orders: Source<{ orders: Order[] }, Order, { failed: string[] }> = {
 *   records: (event) => event.orders.map((order) => ({ id: order.orderId, read: () => order })),
 *   respond: (outcomes) => ({
 *     failed: outcomes.filter(({ status }) => status !== 'fulfilled').map(({ id }) => id),
 *   }),
 * }
 * ```
 */
export interface Source<Event, Value, Response> {
  /**
   * The records of an event, in order.
   *
   * @throws InvalidEventError when the event is none of this kind
   */
  records(event: Event): readonly SourceRecord<Value>[]
  /**
   * What the outcomes come to. A record without an outcome is not done. A source that has no way to say so in a response
   * throws the reason instead.
   */
  respond(outcomes: readonly RecordOutcome[], event: Event): Response
  /**
   * What is to be done before the response: hand back what is deferred, put away what is too large for it. Returns the
   * outcomes as they are then. Default: nothing is to be done.
   */
  finish?(
    outcomes: readonly RecordOutcome[],
    event: Event,
    context: FinishContext,
  ): Promise<readonly RecordOutcome[]>
  /** Whose work an event is. Default: what the platform says. */
  tenant?(event: Event): string | undefined
  /** Everything from the first record that is not done comes again, so that nothing after it is begun. Default false. */
  readonly checkpoints?: boolean
}

export interface FinishContext {
  readonly clock: Clock
  /** Aborts shortly before the invocation is over. */
  readonly signal: AbortSignal
}

/** One unit of work, which succeeds or fails alone. */
export interface SourceRecord<Value> {
  /** By which the response names it. */
  readonly id: string
  /** Records of one group are worked one after the other, and none after one that is not done. Default: no group. */
  readonly group?: string | undefined
  /** What it holds. It may throw, or reject: then only this record has failed. */
  read(signal?: AbortSignal): Value | Promise<Value>
}

/** What became of a record. */
export type RecordOutcome<Result = unknown> = FulfilledRecord<Result> | UnfulfilledRecord

export interface FulfilledRecord<Result = unknown> {
  readonly id: string
  readonly status: 'fulfilled'
  readonly value: Result
}

export interface UnfulfilledRecord {
  readonly id: string
  /**
   * - `failed`: it would fail again.
   * - `deferred`: not its own fault, it may succeed later: no quota, no time, a service that is down.
   */
  readonly status: 'failed' | 'deferred'
  readonly reason: Error
  /** When to come back, in milliseconds from now, if somebody has said so. */
  readonly retryAfterMs?: number | undefined
  /** How long ago the work was ordered, if the source knows. */
  readonly ageMs?: number | undefined
  /** Its order was given again, as a new one, so that this one is over. */
  readonly orderedAgain?: boolean | undefined
}

/**
 * Finds the outcome of a record by its id: the worst where there are several, a failure where there is none. For `respond`,
 * so that no record passes for done by mistake.
 */
export function outcomesById(outcomes: readonly RecordOutcome[]): (id: string) => RecordOutcome {
  const worst = new Map<string, RecordOutcome>()
  for (const outcome of outcomes) {
    if ((worst.get(outcome.id)?.status ?? 'fulfilled') === 'fulfilled') worst.set(outcome.id, outcome)
  }
  return (id) => worst.get(id) ?? { id, status: 'failed', reason: noOutcome() }
}

function noOutcome(): Error {
  return new SluiceError('The record has no outcome.', { code: 'unexpected' })
}
