/** Works on the records of an event, each of which succeeds, fails or is deferred alone. */

import { untilAborted } from './clock.ts'
import { SluiceError, type SluiceErrorCode } from './errors.ts'
import type { RecordOutcome, SourceRecord, UnfulfilledRecord } from './source.ts'

export interface SettleOptions<Result = unknown> {
  /** Records at work at once. A group counts as one. */
  readonly concurrency: number
  /** Once aborted, records that have not begun are deferred, and those at work are no longer waited for. */
  readonly signal?: AbortSignal | undefined
  /** After the first record that is not done none is begun. Default false: only of its group. */
  readonly checkpoints?: boolean | undefined
  /** Told of each outcome as it comes. */
  readonly onOutcome?: ((outcome: RecordOutcome<Result>) => void) | undefined
}

/**
 * Works on every record and returns its outcome, in the order of the records; never rejects. Once a record comes back
 * because there is no quota, none is begun any more: it would come back as well.
 */
export async function settleRecords<Value, Result>(
  records: readonly SourceRecord<Value>[],
  work: (value: Value, record: SourceRecord<Value>) => Promise<Result>,
  { concurrency, signal, checkpoints, onOutcome }: SettleOptions<Result>,
): Promise<RecordOutcome<Result>[]> {
  const outcomes = new Map<SourceRecord<Value>, RecordOutcome<Result>>()
  const lanes = lanesOf(records).values()
  let stopped: UnfulfilledRecord | undefined

  async function settle(record: SourceRecord<Value>): Promise<RecordOutcome<Result>> {
    const { id } = record
    try {
      signal?.throwIfAborted()
      const working = Promise.resolve(record.read(signal)).then((value) => work(value, record))
      return { id, status: 'fulfilled', value: await (signal ? untilAborted(working, signal) : working) }
    } catch (thrown) {
      return { id, ...unfulfilled(thrown, signal) }
    }
  }

  async function worker(): Promise<void> {
    for (const lane of lanes) {
      let blocked: UnfulfilledRecord | undefined
      for (const record of lane) {
        const before = blocked ?? stopped
        const outcome = before ? behind(record.id, before) : await settle(record)
        outcomes.set(record, outcome)
        if (outcome.status !== 'fulfilled') {
          blocked ??= outcome
          if (checkpoints || hasNoQuota(outcome)) stopped ??= outcome
        }
        onOutcome?.(outcome)
      }
    }
  }

  await Promise.all(Array.from({ length: Math.min(concurrency, records.length) }, worker))
  return records.map((record) => outcomes.get(record) as RecordOutcome<Result>)
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

/** A throttle without a hint may be the bad luck of one call; quota that is known to be used up is not. */
function hasNoQuota({ reason, retryAfterMs }: UnfulfilledRecord): boolean {
  if (!SluiceError.is(reason)) return false
  const { code } = reason
  return code === 'quota_exceeded' || (code === 'throttled' && retryAfterMs !== undefined)
}

function behind(id: string, before: UnfulfilledRecord): UnfulfilledRecord {
  const { retryAfterMs } = before
  const reason = hasNoQuota(before)
    ? new SluiceError('Not begun: there was no quota for a record before this one.', {
        code: 'quota_exceeded',
        retryable: true,
        retryAfterMs,
        unbilled: true,
      })
    : new SluiceError('A record before this one of its group is not done yet.', {
        code: 'unavailable',
        retryable: true,
        retryAfterMs,
        unbilled: true,
      })
  return { id, status: 'deferred', reason, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

const notItsFault: ReadonlySet<SluiceErrorCode> = new Set([
  'aborted',
  'daily_quota_exceeded',
  'deadline_exceeded',
  'quota_exceeded',
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
