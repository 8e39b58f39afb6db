/** A source as all of them are used: for steps, for handlers written by hand, and as a middleware. */

import {
  answerSoFar,
  type RecordContext,
  type Source,
  type SourceHandler,
  type SourceHandlerOptions,
  sourceHandler,
} from '@sluice/core'

/** A source that also makes handlers. */
export interface HandlerSource<Event, Value, Response> extends Source<Event, Value, Response> {
  /**
   * A handler that does this with each record. It opens the scope of the invocation if no Sluice middleware has.
   *
   * @throws TypeError when an option cannot be right
   */
  handler<Result, Context extends object = object>(
    work: (value: Value, record: RecordContext, context: Context) => Result | Promise<Result>,
    options?: SourceHandlerOptions,
  ): SourceHandler<Event, Response, Context>
}

/** What a hook needs of Middy's request. */
export interface ErrorRequest {
  readonly event: unknown
  response: unknown
  readonly error: Error | null | undefined
}

/** A source that answers also when something around its handler has failed: put `.use(source)` on the handler. */
export interface AnsweringSource<Event, Value, Response> extends HandlerSource<Event, Value, Response> {
  onError(request: ErrorRequest): void
}

/** The source with its `handler()`, and with the hooks that it has. */
export function withHandler<Event, Value, Response, Hooks extends object = object>(
  source: Source<Event, Value, Response>,
  hooks: Hooks = {} as Hooks,
): HandlerSource<Event, Value, Response> & Hooks {
  const whole: HandlerSource<Event, Value, Response> & Hooks = {
    ...source,
    ...hooks,
    handler: (work, options) => sourceHandler(whole, work, options),
  }
  return whole
}

/**
 * Answers with the outcomes so far. A record that is done must not come again because the metrics could not be written,
 * or because Middy ran out of patience.
 */
export function answering<Event, Value, Response>(
  source: Source<Event, Value, Response>,
  /** Events for which an answer says more than an error would. */
  applies: (event: Event) => boolean = () => true,
): AnsweringSource<Event, Value, Response> {
  const whole = withHandler(source, {
    onError(request: ErrorRequest): void {
      const event = request.event as Event
      if (request.response !== undefined || !applies(event)) return
      const soFar = answerSoFar(whole as Source<Event, Value, Response>, event)
      if (!soFar) return
      logFailure(request.error)
      request.response = soFar.response
    },
  })
  return whole
}

/** Of an error that no caller sees any more. Its message may quote a payload. */
export function logFailure(error: Error | null | undefined): void {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown }
  console.error(JSON.stringify({ failed: 'around the handler', error: name, code }))
}
