/** Tasks of a state machine. */

import { outcomesById, type RecordOutcome, readWith, SluiceError, type StandardSchema } from '@sluice/core'
import { type HandlerSource, withHandler } from './as-middleware.ts'
import { type OffloadOptions, offloading } from './offload.ts'
import { PayloadTooLargeError } from './payload-too-large-error.ts'
import { checkReading } from './read-value.ts'

export interface StepFunctionsTaskOptions<Input> {
  /** What the input must be. Otherwise the task fails with `InvalidEventError`. */
  readonly schema?: StandardSchema<Input>
  /**
   * A larger result fails the task with `PayloadTooLargeError`, which can be caught; what Step Functions does by itself
   * cannot.
   *
   * @default 262_144, the most that goes from state to state
   */
  readonly maxResultBytes?: number
  /**
   * Puts a larger result into a bucket in place of failing. What goes on to the next state is `{ offloaded: { bucket, key,
   * bytes } }`, which its task reads as if it were the result.
   *
   * @default nothing is offloaded
   */
  readonly offload?: OffloadOptions
}

/**
 * A task of a state machine: the input is the record, its result is the response. What fails is thrown under the name of
 * its error, which `ErrorEquals` compares with, and with a message that is JSON: see `taskError()`.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { stepFunctionsTask } from '@sluice/event-sources'
 *
 * export const handler = stepFunctionsTask<{ text: string }>().handler(({ text }) => ({ length: text.length }))
 * ```
 */
export function stepFunctionsTask<Input = unknown, Output = unknown>({
  schema,
  maxResultBytes = 262_144,
  offload,
}: StepFunctionsTaskOptions<Input> = {}): HandlerSource<unknown, Input, Output> {
  checkReading('stepFunctionsTask', undefined, schema)
  if (!(maxResultBytes > 0)) {
    throw new TypeError(
      `stepFunctionsTask: maxResultBytes is ${String(maxResultBytes)}. Give a number above 0.`,
    )
  }
  const store = offload && offloading(offload)

  async function read(event: unknown, signal: AbortSignal | undefined): Promise<Input> {
    const input = store ? await store.load(event, signal) : event
    return schema ? readWith(schema, input) : (input as Input)
  }

  async function fit(outcome: RecordOutcome, signal: AbortSignal): Promise<RecordOutcome> {
    if (outcome.status !== 'fulfilled') return outcome
    const json = JSON.stringify(outcome.value) ?? 'null'
    if (Buffer.byteLength(json) <= maxResultBytes) return outcome
    try {
      if (!store) throw new PayloadTooLargeError('The result of the task', maxResultBytes)
      return { id, status: 'fulfilled', value: await store.save(json, signal) }
    } catch (reason) {
      return { id, status: 'failed', reason: reason as Error }
    }
  }

  return withHandler({
    records: (event) => [{ id, read: (signal) => read(event, signal) }],
    finish: (outcomes, _event, { signal }) => Promise.all(outcomes.map((outcome) => fit(outcome, signal))),
    respond(outcomes) {
      const outcome = outcomesById(outcomes)(id)
      if (outcome.status !== 'fulfilled') throw taskError(outcome.reason)
      return outcome.value as Output
    },
  })
}

const id = 'task'

/** What the message of a task's error says, as JSON. */
export interface TaskErrorMessage {
  /** That of the error if it is Sluice's, else `unexpected`. */
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  /** When to come back, if it is known. */
  readonly retryAfterMs?: number
  /** The same as a `Wait` state takes it. */
  readonly retryAfterSeconds?: number
}

/**
 * An error as it survives the runtime, which keeps only the name and the message. A state machine reads it with
 * `States.StringToJson`.
 *
 * @example
 * ```ts
 * import { SluiceError } from '@sluice/core'
 * import { taskError } from '@sluice/event-sources'
 *
 * const error = taskError(new SluiceError('no quota', { code: 'quota_exceeded', retryAfterMs: 1_200 }))
 * console.log(error.name, JSON.parse(error.message).retryAfterSeconds)
 * ```
 */
export function taskError(reason: Error): Error {
  const { code, retryable, retryAfterMs } = SluiceError.is(reason)
    ? reason
    : { code: 'unexpected', retryable: false, retryAfterMs: undefined }
  const message: TaskErrorMessage = {
    code,
    message: reason.message,
    retryable,
    ...(retryAfterMs !== undefined && {
      retryAfterMs,
      retryAfterSeconds: Math.ceil(retryAfterMs / 1_000),
    }),
  }
  const error = new Error(JSON.stringify(message), { cause: reason })
  error.name = reason.name
  return error
}
