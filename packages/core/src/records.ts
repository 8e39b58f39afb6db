/**
 * The two records, as anybody may watch them: an *attempt* is what is billed, a *call* is what the caller saw.
 * Published on `node:diagnostics_channel`, so watching needs no import of Sluice and not watching costs nothing.
 */

import { channel } from 'node:diagnostics_channel'
import type { Attempt } from './attempt.ts'
import type { Call } from './call.ts'
import type { CallOutcome, Outcome } from './outcome.ts'
import type { Scope } from './scope.ts'

/** @internal */
export const attemptChannel: ReturnType<typeof channel> = channel('sluice:attempt')
/** @internal */
export const callChannel: ReturnType<typeof channel> = channel('sluice:call')

interface RecordOrigin {
  readonly callId: string
  readonly scopeId: string
  readonly requestId: string | undefined
  readonly provider: string
  readonly modelId: string
  readonly baseModelId: string
  readonly operation: string
  readonly tenant: string | undefined
  readonly tags: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
}

type WithoutError<Ended> = Omit<Ended, 'error'> & {
  /** Name and code only: messages of third parties may quote a payload. */
  readonly error?: { readonly name: string; readonly code?: string }
}

/**
 * Published on the channel `sluice:attempt` when an attempt has ended.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import type { AttemptRecord } from '@sluice/core'
 *
 * subscribe('sluice:attempt', (message) => {
 *   const { modelId, usage, estimated } = message as AttemptRecord
 *   console.log(modelId, usage.inputTokens, usage.outputTokens, estimated)
 * })
 * ```
 */
export interface AttemptRecord extends RecordOrigin, WithoutError<Outcome> {
  /** 1 for the first attempt of its call. */
  readonly attempt: number
}

/** Published on the channel `sluice:call` when a call has ended. */
export interface CallRecord extends RecordOrigin, WithoutError<CallOutcome> {}

/** @internal */
export function publishAttempt(
  scope: Scope,
  call: Call,
  attempt: Attempt,
  { error, ...outcome }: Outcome,
): void {
  if (!attemptChannel.hasSubscribers) return
  const record: AttemptRecord = {
    ...origin(scope, call, attempt.request, attempt.startedAtMs),
    attempt: attempt.number,
    ...outcome,
    ...described(error),
  }
  attemptChannel.publish(record)
}

/** @internal */
export function publishCall(scope: Scope, call: Call, { error, ...outcome }: CallOutcome): void {
  if (!callChannel.hasSubscribers) return
  const record: CallRecord = {
    ...origin(scope, call, call.request, call.startedAtMs),
    ...outcome,
    ...described(error),
  }
  callChannel.publish(record)
}

function origin(scope: Scope, call: Call, request: Call['request'], startedAtMs: number): RecordOrigin {
  return {
    callId: call.id,
    scopeId: scope.id,
    requestId: scope.requestId,
    provider: request.provider,
    modelId: request.modelId,
    baseModelId: request.baseModelId,
    operation: request.operation,
    tenant: scope.tenant,
    tags: scope.tags,
    startedAtMs,
  }
}

function described(error: Error | undefined): Pick<WithoutError<Outcome>, 'error'> {
  if (!error) return {}
  const code: unknown = 'code' in error ? error.code : undefined
  return { error: { name: error.name, ...(typeof code === 'string' && { code }) } }
}
