/** A handler made of a source and of what is done with each of its records. */

import type { Clock } from './clock.ts'
import { SluiceError } from './errors.ts'
import { runInInvocation } from './middleware.ts'
import type { Scope } from './scope.ts'
import { settleRecords } from './settle-records.ts'
import type { RecordOutcome, Source, UnfulfilledRecord } from './source.ts'

export interface SourceHandlerOptions {
  /**
   * Records at work at once.
   *
   * @default 5
   */
  readonly concurrency?: number
  /**
   * How long before the end of the invocation the records that are still at work are given up, so that there is time to
   * answer for all. At most a quarter of the time that there is.
   *
   * @default 1000
   */
  readonly reserveMs?: number
  /**
   * Told of every record that is not done, where the response does not carry its error.
   *
   * @default one line of JSON on stderr: id and status, name and code of the error, and its message if it is Sluice's
   */
  readonly onUnfulfilled?: (outcome: UnfulfilledRecord) => void
}

/** What is known of a record while it is worked on. */
export interface RecordContext {
  readonly id: string
  readonly scope: Scope
  /** Aborts when the record is given up. */
  readonly signal: AbortSignal
}

/** A handler: for Middy, or for Lambda as it is. */
export type SourceHandler<Event, Response, Context = object> = (
  event: Event,
  context: Context,
  options?: { readonly signal?: AbortSignal },
) => Promise<Response>

/**
 * Works on each record of each event, and answers as the source does. The context of the invocation, with what middlewares
 * have put on it, comes third.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { type Source, sourceHandler } from '@sluice/core'
 *
 * declare const orders: Source<{ orders: string[] }, string, { failed: string[] }>
 *
 * export const handler = sourceHandler(orders, async (order, { signal }) => {
 *   await fetch('https://shop.example/orders', { method: 'POST', body: order, signal })
 * })
 * ```
 */
export function sourceHandler<Event, Value, Result, Response, Context extends object = object>(
  source: Source<Event, Value, Response>,
  work: (value: Value, record: RecordContext, context: Context) => Result | Promise<Result>,
  { concurrency = 5, reserveMs = 1_000, onUnfulfilled = logUnfulfilled }: SourceHandlerOptions = {},
): SourceHandler<Event, Response, Context> {
  if (typeof work !== 'function') {
    throw new TypeError(`handler: work is of type ${typeof work}. Give a function of the record.`)
  }
  if (!(Number.isInteger(concurrency) && concurrency > 0)) {
    throw new TypeError(`handler: concurrency is ${String(concurrency)}. Give a whole number above 0.`)
  }
  if (!(reserveMs >= 0 && reserveMs < Infinity)) {
    throw new TypeError(`handler: reserveMs is ${String(reserveMs)}. Give a time in milliseconds.`)
  }

  return function handler(event, context, { signal: outer } = {}) {
    return runInInvocation(context ?? {}, async (scope) => {
      const tenant = source.tenant?.(event)
      if (tenant !== undefined) scope.tenant = tenant
      const records = source.records(event)
      const sofar: RecordOutcome[] = []
      const answer: Answer<Response> = { soFar: () => source.respond(sofar, event) }
      remember(source, event, answer)

      const time = limits(scope, reserveMs, outer)
      try {
        const settled = await settleRecords(
          records,
          async (value, { id }) => work(value, { id, scope, signal: time.work }, context),
          {
            concurrency,
            signal: time.work,
            checkpoints: source.checkpoints,
            onOutcome: (outcome) => sofar.push(outcome),
          },
        )
        const finishing = { clock: scope.clock, signal: time.answer }
        const outcomes = source.finish ? await source.finish(settled, event, finishing) : settled
        const response = source.respond(outcomes, event)
        answer.soFar = () => response
        for (const outcome of outcomes) if (outcome.status !== 'fulfilled') onUnfulfilled(outcome)
        return response
      } finally {
        time.stop()
      }
    })
  }
}

interface Answer<Response = unknown> {
  soFar(): Response
}

const answers = new WeakMap<object, WeakMap<object, Answer>>()

function remember(source: object, event: unknown, answer: Answer): void {
  if (typeof event !== 'object' || event === null) return
  const ofSource = answers.get(source) ?? new WeakMap<object, Answer>()
  answers.set(source, ofSource.set(event, answer))
}

/**
 * What a source would answer to an event now, by the outcomes so far: for `onError`, when something around the handler
 * has failed. Undefined where no record of it has begun.
 */
export function answerSoFar<Event, Response>(
  source: Source<Event, unknown, Response>,
  event: Event,
): { readonly response: Response } | undefined {
  const answer = answers.get(source)?.get(event as object) as Answer<Response> | undefined
  return answer && { response: answer.soFar() }
}

/** Two limits before the invocation's end: for the work, and for what is left to do then. */
function limits({ clock, deadlineMs }: Scope, reserveMs: number, outer: AbortSignal | undefined) {
  const leftMs = Math.max(0, deadlineMs - clock.now())
  const reserve = Math.min(reserveMs, leftMs / 4)
  const work = limit(clock, leftMs - reserve, outer)
  // A tenth of the reserve is for handing over the answer.
  const answer = limit(clock, leftMs - reserve / 10, undefined)
  return {
    work: work.signal,
    answer: answer.signal,
    stop() {
      work.stop()
      answer.stop()
    },
  }
}

function limit(clock: Clock, delayMs: number, outer: AbortSignal | undefined) {
  const limit = new AbortController()
  const stop = clock.after(delayMs, () => limit.abort(noTime()))
  return { signal: outer ? AbortSignal.any([limit.signal, outer]) : limit.signal, stop }
}

/** Of the name that the error of a guarded call has. */
function noTime(): Error {
  const error = new SluiceError(
    'The invocation was nearly over. Allow it more time, or give it less to do.',
    {
      code: 'deadline_exceeded',
      retryable: true,
      statusCode: 504,
    },
  )
  error.name = 'DeadlineExceededError'
  return error
}

function logUnfulfilled({ id, status, reason, retryAfterMs, ageMs, orderedAgain }: UnfulfilledRecord): void {
  const { name, code } = reason as Error & { readonly code?: unknown }
  // Messages of Sluice never quote a payload; those of others may.
  const why = SluiceError.is(reason) ? reason.message : undefined
  console.error(
    JSON.stringify({ record: id, status, error: name, code, why, retryAfterMs, ageMs, orderedAgain }),
  )
}
