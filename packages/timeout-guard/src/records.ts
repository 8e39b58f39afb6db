/** What the guard did, or in `observe` mode would have done, as anybody may watch it. */

import { channel } from 'node:diagnostics_channel'
import type { Call } from '@sluice/core'

/**
 * - `refused`: not enough time left to begin.
 * - `ended`: the deadline came during the call.
 * - `fitted`: `maxTokens` was lowered.
 * - `firstContentMs`, `idleMs`, `attemptMs`: the limit of this name ended an attempt.
 */
export type TimeoutGuardAction = 'refused' | 'ended' | 'fitted' | 'firstContentMs' | 'idleMs' | 'attemptMs'

/**
 * Published on the channel `sluice:timeout-guard` of `node:diagnostics_channel`.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import type { TimeoutGuardRecord } from '@sluice/timeout-guard'
 *
 * subscribe('sluice:timeout-guard', (message) => {
 *   const { action, modelId, leftMs } = message as TimeoutGuardRecord
 *   console.log(action, modelId, leftMs)
 * })
 * ```
 */
export interface TimeoutGuardRecord {
  readonly action: TimeoutGuardAction
  /** False in `observe` mode, where nothing was done. */
  readonly enforced: boolean
  readonly callId: string
  readonly requestId: string | undefined
  readonly modelId: string
  /** Until the deadline, in milliseconds. */
  readonly leftMs: number
  /** `refused`: what the call was expected to take, in milliseconds. */
  readonly neededMs?: number
  /** `fitted`: what was asked for, and what there is time for. */
  readonly askedTokens?: number
  readonly fittedTokens?: number
}

const records: ReturnType<typeof channel> = channel('sluice:timeout-guard')

/** What a record tells besides whose it is. */
export type Event = Pick<
  TimeoutGuardRecord,
  'action' | 'leftMs' | 'neededMs' | 'askedTokens' | 'fittedTokens'
>

export function publish({ id, scope, request }: Call, enforced: boolean, event: Event): void {
  if (!records.hasSubscribers) return
  const { requestId } = scope
  const record: TimeoutGuardRecord = {
    ...event,
    enforced,
    callId: id,
    requestId,
    modelId: request.modelId,
  }
  records.publish(record)
}
