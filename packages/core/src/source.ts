/** Where records come from: out of an event, and their outcomes back into a response. */

import { SluiceError, type SluiceErrorCode } from './errors.ts'

/**
 * One kind of event: a queue's batch, an HTTP request, notifications of a bucket. Two functions, without a state of
 * their own, so that one source serves every invocation.
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
}

/** One unit of work, which succeeds or fails alone. */
export interface SourceRecord<Value> {
  /** By which the response names it. */
  readonly id: string
  /** Records of one group are worked one after the other, and none after one that is not done. Default: no group. */
  readonly group?: string | undefined
  /** What it holds. It may throw, or reject: then only this record has failed. */
  read(): Value | Promise<Value>
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
}

export interface SettleOptions {
  /** Records at work at once. A group counts as one. */
  readonly concurrency: number
  /** Once aborted, records that have not begun are deferred. */
  readonly signal?: AbortSignal | undefined
}

/** Works on every record and returns its outcome, in the order of the records; never rejects. */
export async function settleRecords<Value, Result>(
  records: readonly SourceRecord<Value>[],
  work: (value: Value) => Promise<Result>,
  { concurrency, signal }: SettleOptions,
): Promise<RecordOutcome<Result>[]> {
  const outcomes = new Map<SourceRecord<Value>, RecordOutcome<Result>>()
  const lanes = lanesOf(records).values()

  async function settle(record: SourceRecord<Value>): Promise<RecordOutcome<Result>> {
    const { id } = record
    try {
      signal?.throwIfAborted()
      return { id, status: 'fulfilled', value: await work(await record.read()) }
    } catch (thrown) {
      return { id, ...unfulfilled(thrown, signal) }
    }
  }

  async function worker(): Promise<void> {
    for (const lane of lanes) {
      let blocked: UnfulfilledRecord | undefined
      for (const record of lane) {
        const outcome = blocked ? behind(record.id, blocked) : await settle(record)
        outcomes.set(record, outcome)
        if (outcome.status !== 'fulfilled') blocked ??= outcome
      }
    }
  }

  await Promise.all(Array.from({ length: Math.min(concurrency, records.length) }, worker))
  return records.map((record) => outcomes.get(record) as RecordOutcome<Result>)
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

function lanesOf<Value>(records: readonly SourceRecord<Value>[]): SourceRecord<Value>[][] {
  const lanes = new Map<unknown, SourceRecord<Value>[]>()
  for (const record of records) {
    const lane = record.group === undefined ? record : `group ${record.group}`
    const others = lanes.get(lane)
    if (others) others.push(record)
    else lanes.set(lane, [record])
  }
  return [...lanes.values()]
}

function behind(id: string, { retryAfterMs }: UnfulfilledRecord): UnfulfilledRecord {
  const reason = new SluiceError('A record before this one of its group is not done yet.', {
    code: 'unavailable',
    retryable: true,
    retryAfterMs,
  })
  return { id, status: 'deferred', reason, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

const notItsFault: ReadonlySet<SluiceErrorCode> = new Set([
  'aborted',
  'daily_quota_exceeded',
  'deadline_exceeded',
  'scope_ended',
])

function unfulfilled(thrown: unknown, signal: AbortSignal | undefined): Omit<UnfulfilledRecord, 'id'> {
  const reason =
    thrown instanceof Error ? thrown : new Error('Something was thrown that is no error.', { cause: thrown })
  if (!SluiceError.is(reason)) return { status: signal?.aborted ? 'deferred' : 'failed', reason }
  const { retryable, retryAfterMs, code } = reason
  return {
    status: retryable || notItsFault.has(code) ? 'deferred' : 'failed',
    reason,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}
