/**
 * The two records, as anybody may watch them: an *attempt* is what is billed, a *call* is what the caller saw.
 * Published on `node:diagnostics_channel`, so watching needs no import of Sluice and not watching costs nothing.
 */

import { channel } from 'node:diagnostics_channel'
import type { Attempt } from './attempt.ts'
import type { Call, ModelRequest } from './call.ts'
import type { CallOutcome, Outcome } from './outcome.ts'

/** @internal */
export const attemptChannel: ReturnType<typeof channel> = channel('sluice:attempt')
/** @internal */
export const callChannel: ReturnType<typeof channel> = channel('sluice:call')

interface RecordOrigin extends Omit<ModelRequest, 'payload' | 'transport' | 'terms'> {
  readonly callId: string
  readonly scopeId: string
  readonly requestId: string | undefined
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
export function publishAttempt(call: Call, attempt: Attempt, outcome: Outcome): void {
  if (attemptChannel.hasSubscribers) attemptChannel.publish(attemptRecord(call, attempt, outcome))
}

/** @internal */
export function publishCall(call: Call, outcome: CallOutcome): void {
  if (callChannel.hasSubscribers) callChannel.publish(callRecord(call, outcome))
}

/** The record of an attempt, for a policy that writes one. */
export function attemptRecord(
  call: Call,
  { request, number, startedAtMs }: Attempt,
  outcome: Outcome,
): AttemptRecord {
  return { ...origin(call, request, startedAtMs), attempt: number, ...described(outcome) }
}

/** The record of a call, for a policy that writes one. */
export function callRecord(call: Call, outcome: CallOutcome): CallRecord {
  return { ...origin(call, call.request, call.startedAtMs), ...described(outcome) }
}

function origin({ id, scope }: Call, request: ModelRequest, startedAtMs: number): RecordOrigin {
  const { payload, transport, terms, ...descriptor } = request
  const { id: scopeId, requestId, tenant, tags } = scope
  return { callId: id, scopeId, requestId, tenant, tags, startedAtMs, ...descriptor }
}

function described<Ended extends { readonly error?: Error }>(outcome: Ended): WithoutError<Ended> {
  // Taking a field out makes a copy.
  if (!outcome.error) return outcome as WithoutError<Ended>
  const { error, ...ended } = outcome
  const { name, code } = error as Error & { readonly code?: unknown }
  return { ...ended, error: { name, ...(typeof code === 'string' && { code }) } }
}
