/** Tasks that a state machine waits for until they call back. */

import type { SFNClient } from '@aws-sdk/client-sfn'
import { abortError, type Clock, InvalidEventError, systemClock } from '@sluice/core'
import { fieldsOf, textOf } from './parse/values.ts'
import { PayloadTooLargeError } from './payload-too-large-error.ts'
import { notInstalled } from './sdk.ts'
import { taskError } from './step-functions-task.ts'

export interface WaitForTaskTokenOptions {
  /** A client of `@aws-sdk/client-sfn`. */
  readonly client: Pick<SFNClient, 'send'>
  /**
   * The time between two heartbeats, well below the `HeartbeatSeconds` of the state. 0 sends none.
   *
   * @default 20_000
   */
  readonly heartbeatMs?: number
  readonly clock?: Clock
}

/** What `Parameters` of the state have to give. */
export interface TokenEvent<Input> {
  /** `"taskToken.$": "$$.Task.Token"` */
  readonly taskToken: string
  /** `"input.$": "$"` */
  readonly input: Input
}

/**
 * Calls back with what a handler returns, or with the error that it throws, and shows in between that it is alive. For
 * `.waitForTaskToken`; other handlers, `modelStep()` among them, can be wrapped as they are. When the state machine does
 * not wait any more, the handler's signal aborts. A result above 262,144 bytes fails the task with `PayloadTooLargeError`.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { SFNClient } from '@aws-sdk/client-sfn'
 * import { waitForTaskToken } from '@sluice/event-sources'
 *
 * export const handler = waitForTaskToken(
 *   async ({ text }: { text: string }) => ({ length: text.length }),
 *   { client: new SFNClient({}) },
 * )
 * ```
 */
export function waitForTaskToken<Input, Result, Context>(
  handler: (input: Input, context: Context, options?: { readonly signal?: AbortSignal }) => Promise<Result>,
  { client, heartbeatMs = 20_000, clock = systemClock }: WaitForTaskTokenOptions,
): (
  event: TokenEvent<Input>,
  context: Context,
  options?: { readonly signal?: AbortSignal },
) => Promise<void> {
  if (typeof handler !== 'function') {
    throw new TypeError(`waitForTaskToken: handler is of type ${typeof handler}. Give a function.`)
  }
  if (typeof client?.send !== 'function') {
    throw new TypeError('waitForTaskToken: client is none. Give a client of @aws-sdk/client-sfn.')
  }
  if (!(heartbeatMs >= 0 && heartbeatMs < Infinity)) {
    throw new TypeError(
      `waitForTaskToken: heartbeatMs is ${String(heartbeatMs)}. Give a time in milliseconds.`,
    )
  }

  return async function calledBack(event, context, { signal: outer } = {}) {
    const taskToken = textOf(fieldsOf(event).taskToken)
    if (taskToken === undefined) {
      throw new InvalidEventError(
        'The event has no taskToken. Give "taskToken.$": "$$.Task.Token" and "input.$": "$".',
      )
    }
    const sdk = await import('@aws-sdk/client-sfn').catch(notInstalled('@aws-sdk/client-sfn'))
    const over = new AbortController()
    const signal = outer ? AbortSignal.any([over.signal, outer]) : over.signal

    const stop = beating(clock, heartbeatMs, async () => {
      try {
        await client.send(new sdk.SendTaskHeartbeatCommand({ taskToken }))
      } catch (error) {
        // Nobody waits any more: what is still asked of a model would be paid for nothing.
        if (isOver(error)) over.abort(error)
      }
    })
    const answer = await settled(handler(event.input, context, { signal }), signal)
    stop()
    const command =
      answer instanceof Error
        ? new sdk.SendTaskFailureCommand({ taskToken, ...failureOf(answer) })
        : new sdk.SendTaskSuccessCommand({ taskToken, output: answer })
    try {
      await client.send(command as InstanceType<typeof sdk.SendTaskSuccessCommand>)
    } catch (error) {
      if (!isOver(error)) throw error
    }
  }
}

/** Step Functions takes so many bytes of a result, and so many characters of an error. */
const maxOutputBytes = 262_144
const maxCause = 32_768
const maxError = 256

/** Cut where it is too long, and JSON all the same: the state machine reads it. A character takes six at most. */
function failureOf(reason: Error): { readonly error: string; readonly cause: string } {
  const { name, message: whole } = taskError(reason)
  const short = { ...JSON.parse(whole), message: reason.message.slice(0, maxCause / 8) }
  return { error: name.slice(0, maxError), cause: whole.length > maxCause ? JSON.stringify(short) : whole }
}

/** What the work returned, as JSON, or what it failed with. */
async function settled(work: Promise<unknown>, signal: AbortSignal): Promise<string | Error> {
  try {
    const output = JSON.stringify(await work) ?? 'null'
    // Said by the task it can be caught by name; Step Functions would refuse the callback.
    if (Buffer.byteLength(output) > maxOutputBytes) {
      return new PayloadTooLargeError('The result of the task', maxOutputBytes)
    }
    return output
  } catch (thrown) {
    if (signal.aborted) return abortError(signal)
    return thrown instanceof Error ? thrown : new Error('Something was thrown that is no error.')
  }
}

/** One after the other: a heartbeat that is slow is not overtaken. */
function beating(clock: Clock, heartbeatMs: number, beat: () => Promise<void>): () => void {
  let cancel: (() => void) | undefined
  let stopped = heartbeatMs === 0
  function next(): void {
    if (!stopped) cancel = clock.after(heartbeatMs, () => void beat().then(next))
  }
  next()
  return () => {
    stopped = true
    cancel?.()
  }
}

function isOver(error: unknown): boolean {
  const { name } = fieldsOf(error)
  return name === 'TaskTimedOut' || name === 'TaskDoesNotExist'
}
