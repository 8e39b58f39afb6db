/** The middleware that streams what the model says to the reader of the response. */

import type middy from '@middy/core'
import {
  type Clock,
  type MiddyRequest,
  type Scope,
  type SluiceError,
  scopeHooks,
  systemClock,
} from '@sluice/core'
import type { Context } from 'aws-lambda'
import type { CancelOptions } from './cancel.ts'
import { checkOptions } from './check-options.ts'
import { responseOf } from './response.ts'
import { createTally, type Tally } from './tally.ts'

/** `stream` as it comes, `whole` the same body in one piece, `json` one object with the text and all that is known. */
export type Delivery = 'stream' | 'whole' | 'json'

export interface TokenStreamOptions<Event = unknown> {
  /**
   * `sse`: typed server-sent events. `text`: nothing but the text. `ai-sdk`: the UI message stream of Vercel's AI SDK.
   *
   * @default 'sse'
   */
  readonly format?: 'sse' | 'text' | 'ai-sdk'
  /**
   * How the answer leaves. `stream` needs Middy's streaming mode; a handler without it answers `whole` or as `json`. A
   * function decides for each event.
   *
   * @default 'stream' under Lambda's runtime, 'whole' elsewhere
   */
  readonly delivery?: Delivery | ((event: Event) => Delivery)
  /**
   * The longest that a token waits for others to leave with it, in milliseconds. The first one never waits, nor does any
   * when nothing has left for half of this time. 0 sends each by itself.
   *
   * @default 8
   */
  readonly coalesceMs?: number
  /**
   * A comment is sent when nothing was written for so long, in milliseconds: gateways close connections that are idle.
   * 0 for none. Plain text has no comments.
   *
   * @default 15000
   */
  readonly heartbeatMs?: number
  /**
   * The stream breaks off after so long, in milliseconds, and in any case shortly before the invocation's deadline.
   *
   * @default until the deadline
   */
  readonly maxDurationMs?: number
  /**
   * The stream breaks off after so many output tokens, over all model calls; estimated while they stream.
   *
   * @default no limit
   */
  readonly maxTokens?: number
  /** Lets a reader stop the stream: see `cancelStream()`. */
  readonly cancel?: CancelOptions<Event>
  /**
   * What the stream has cost, for its last event. It is awaited for a second.
   *
   * @default `context.cost.costUsd`, where `costMeter()` has left it and every call has a price
   */
  readonly cost?: (context: Context) => unknown
  /** Headers of the response, beside those of the format. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Told of a stream that failed: its reader got the `error` event, and nobody else will hear of it.
   *
   * @default prints the error; of one that is not Sluice's, which may quote a payload, the name only
   */
  readonly onFailure?: (failure: SluiceError, context: Context) => void
  /** Tells time; for tests. */
  readonly clock?: Clock
}

/** Of one invocation. */
export interface Invocation {
  readonly scope: Scope
  readonly tally: Tally
}

/**
 * Streams what the handler returns: the result of `model.stream()`, the output of a guarded client's `ConverseStream`, or any
 * async iterable of Converse events, typed parts or strings; alone or as `{ statusCode, headers, body }`. Every other
 * response passes as it is. A failure after the first byte becomes a last event, and the stream ends well.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 * import { tokenStream } from '@sluice/token-stream'
 *
 * export const handler = middy<{ body: string }>({ executionMode: executionModeStreamifyResponse })
 *   .use(tokenStream({ maxDurationMs: 60_000 }))
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 1_000 }) }))
 *   .handler(({ body }, { model }) => model.stream(body))
 * ```
 */
export function tokenStream<Event = unknown>(
  options: TokenStreamOptions<Event> = {},
): middy.MiddlewareObj<Event, unknown, Error, Context> {
  checkOptions(options)
  const { clock = systemClock } = options
  const key = Symbol('tokenStream')

  const hooks = scopeHooks({
    name: 'tokenStream',
    clock,
    enter(scope, request) {
      const tally = createTally()
      scope.use(tally.policy)
      Object.assign(request, { [key]: { scope, tally } satisfies Invocation })
    },
  })

  return {
    before: hooks.before,
    onError: hooks.onError,
    async after(request: MiddyRequest & { [key]?: Invocation }) {
      const invocation = request[key]
      if (invocation) request.response = await responseOf(request, invocation, { ...options, clock })
      await hooks.after(request)
    },
  } as never
}
