/** From what a handler returned to the response that leaves. */

import { type MiddyRequest, noUsage, SluiceError, sleep, untilAborted } from '@sluice/core'
import type { Context } from 'aws-lambda'
import { watchCancel } from './cancel.ts'
import { printFailure, toFailure, truncated, wordsFor } from './failure.ts'
import { aiSdkEncoder } from './formats/ai-sdk.ts'
import { jsonEncoder } from './formats/json.ts'
import { sseEncoder } from './formats/sse.ts'
import { textEncoder } from './formats/text.ts'
import { partReader } from './part-reader.ts'
import { streamBody } from './stream-body.ts'
import type { StreamTotals } from './stream-part.ts'
import type { Delivery, Invocation, TokenStreamOptions } from './token-stream.ts'

const encoders = { sse: sseEncoder, text: textEncoder, 'ai-sdk': aiSdkEncoder }

/** The response as it is, where there is nothing to stream. Rejects when an answer that leaves whole is not. */
export async function responseOf<Event>(
  request: MiddyRequest,
  { scope, tally }: Invocation,
  {
    format = 'sse',
    delivery = canStream() ? 'stream' : 'whole',
    coalesceMs = 8,
    heartbeatMs = 15_000,
    maxDurationMs = Infinity,
    maxTokens = Infinity,
    cancel,
    cost = meteredCost,
    headers,
    onFailure = printFailure,
  }: TokenStreamOptions<Event>,
): Promise<unknown> {
  const found = sourceOf(request.response)
  if (!found) return request.response
  const event = request.event as Event
  const context = request.context as Context
  const chosen: Delivery = typeof delivery === 'function' ? delivery(event) : delivery
  const streams = chosen === 'stream'
  const key = cancel?.key(event)
  const { clock } = scope
  const encoder = chosen === 'json' ? jsonEncoder() : encoders[format](scope.id)
  const reader = partReader()
  const maxBytes = streams ? maxStreamedBytes : maxWholeBytes
  const watching = new AbortController()

  async function totals(): Promise<StreamTotals> {
    const { usage } = tally
    const paid = await costOf(cost, context)
    return {
      ...(usage && { usage }),
      ...(tally.estimated && { estimated: true }),
      ...(paid !== undefined && { cost: paid }),
    }
  }

  const { readable, add, stop, abandon } = streamBody({
    source: found.source,
    reader,
    encoder,
    clock,
    coalesceMs,
    heartbeatMs: streams ? heartbeatMs : 0,
    check(bodyBytes) {
      if (bodyBytes > maxBytes) throw tooLong('The answer is longer than Lambda lets through.')
      if (maxTokens === Infinity) return
      const tokens = tally.outputTokens() ?? reader.characters / charactersPerToken
      if (tokens > maxTokens) throw tooLong('The answer is longer than this stream may be.')
    },
    closed(failure) {
      watching.abort()
      if (failure !== undefined) tally.stop(toFailure(failure))
    },
    async conclude(thrown) {
      const failure =
        thrown === undefined && reader.whole
          ? undefined
          : toFailure(thrown ?? truncated(tally.usage ?? noUsage))
      if (failure && !streams) throw failure
      const { stopReason } = reader
      if (!failure)
        return { type: 'done', ...(stopReason !== undefined && { stopReason }), ...(await totals()) }
      // Whoever stopped the stream knows of it.
      if (failure.code !== 'aborted') scope.guard(() => onFailure(failure, context))
      return { type: 'error', ...wordsFor(failure), ...(await totals()) }
    },
  })

  tally.onUsage = (usage) => add({ type: 'usage', usage })
  // A response that nobody takes, because a hook after this one failed or answered otherwise, is over with its invocation.
  scope.onEnd(abandon)
  const withinMs = Math.min(maxDurationMs, remainingMs(context) - lastWordsMs)
  // The longest that a timer can wait.
  if (withinMs < 2 ** 31) {
    sleep(clock, Math.max(0, withinMs), watching.signal).then(
      () => stop(tooLate()),
      () => {},
    )
  }
  if (cancel && key !== undefined) void watchCancel(cancel, key, clock, watching.signal, stop)

  const response = {
    statusCode: 200,
    ...found.rest,
    headers: { ...encoder.headers, ...headers, ...found.rest.headers },
  }
  if (streams) return { ...response, body: readable }
  let body = ''
  for await (const chunk of readable) body += chunk
  return { ...response, body }
}

/** The SDK leaves an `awslambda` of its own where there is no Lambda. */
function canStream(): boolean {
  const { awslambda } = globalThis as { awslambda?: { readonly streamifyResponse?: unknown } }
  return typeof awslambda?.streamifyResponse === 'function'
}

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, and a little less for the last event. */
const maxStreamedBytes = 200_000_000 - 100_000
const maxWholeBytes = 6_000_000
/** Where nobody has learned more. */
const charactersPerToken = 3.5
/** For the last event and the drain. */
const lastWordsMs = 250
const costWithinMs = 1_000

interface Found {
  readonly source: AsyncIterable<unknown>
  /** What else the handler wants of the response. */
  readonly rest: { readonly headers?: Readonly<Record<string, string>> }
}

function sourceOf(response: unknown): Found | undefined {
  if (isIterable(response)) return { source: response, rest: {} }
  if (typeof response !== 'object' || response === null) return undefined
  const { body, ...rest } = response as { readonly body?: unknown } & Found['rest']
  if (isIterable(body)) {
    // With a type of its own it is what it says, and nothing of ours.
    const typed = Object.keys(rest.headers ?? {}).some((name) => name.toLowerCase() === 'content-type')
    return typed ? undefined : { source: body, rest }
  }
  // The output of ConverseStream.
  const { stream } = response as { readonly stream?: unknown }
  return isIterable(stream) ? { source: stream, rest: {} } : undefined
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

function remainingMs(context: Partial<Context> & { readonly lambdaContext?: Context }): number {
  const lambda = context.getRemainingTimeInMillis ? context : context.lambdaContext
  return lambda?.getRemainingTimeInMillis?.() ?? Infinity
}

/** What a meter has left on the context: nothing rather than a sum in which something is missing. */
async function meteredCost(context: Context): Promise<unknown> {
  const { cost } = context as { readonly cost?: Metered }
  await cost?.settled?.()
  return cost?.unpriced ? undefined : cost?.costUsd
}

interface Metered {
  readonly costUsd?: unknown
  readonly unpriced?: number
  settled?(): Promise<void>
}

/** Undefined when it fails, takes too long or is nothing that JSON could carry: the last event must come. */
async function costOf(cost: (context: Context) => unknown, context: Context): Promise<unknown> {
  try {
    const paid = await untilAborted(Promise.resolve(cost(context)), AbortSignal.timeout(costWithinMs))
    return JSON.stringify(paid) && paid
  } catch {
    return undefined
  }
}

function tooLong(message: string): SluiceError {
  return new SluiceError(message, { code: 'payload_too_large', statusCode: 413 })
}

function tooLate(): SluiceError {
  return new SluiceError('The stream took longer than it may. Raise maxDurationMs, or ask for less.', {
    code: 'deadline_exceeded',
    statusCode: 504,
  })
}
