/** Equal requests, one answer. */

import {
  abortError,
  type CallContext,
  type CallOutcome,
  type CallPolicy,
  type MiddyHooks,
  type ModelRequest,
  type ModelResponse,
  policyMiddleware,
  untilAborted,
} from '@sluice/core'
import { type CacheStore, memoryCacheStore } from '@sluice/store'
import { answerWriter, readAnswer } from './cache-answer.ts'
import { cacheKey } from './cache-key.ts'
import { recordingOf } from './cache-recording.ts'

type Bytes = Uint8Array
type Recode = (bytes: Bytes) => Bytes | Promise<Bytes>

export interface CacheOptions {
  /** How long an answer is given again, in milliseconds. */
  readonly ttlMs: number
  /**
   * The most that the memory of the sandbox keeps, in bytes; what was not used for the longest time goes first. Not
   * together with `store`, which has limits of its own.
   *
   * @default 16 MiB
   */
  readonly maxBytes?: number
  /**
   * Where the answers are kept. They are your users' data: see `encode`.
   *
   * @default the memory of the sandbox
   */
  readonly store?: CacheStore
  /**
   * What of a request decides about its answer, besides tenant, model and operation: any value made of plain data. Undefined
   * for a request that is not to be cached.
   *
   * @default the whole payload: prompt, settings, tools, images
   */
  readonly key?: (request: ModelRequest) => unknown
  /**
   * Whether to cache requests that set a temperature above 0: who sets one asks for variety. Requests that set none are
   * cached.
   *
   * @default false
   */
  readonly sampling?: boolean
  /** What is done to an answer on its way to the store, for example encryption. Default: nothing. */
  readonly encode?: Recode
  /** The reverse of `encode`. */
  readonly decode?: Recode
}

/**
 * Answers a request that was answered before, by its exact text and settings, for each tenant apart. A hit costs no
 * attempt: no quota, no tokens. Equal requests at the same time in one sandbox are one attempt; if it fails, the others
 * make their own. Streams are replayed event by event.
 *
 * Only answers that reached their own end are kept: none that was cut, at `max_tokens` or otherwise, that a guardrail or
 * a filter had a part in, or that another model gave after a fallback. A store that fails is a miss, and warned about
 * once.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { cache, modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * export const handler = middy<{ text: string }>()
 *   .use(cache({ ttlMs: 10 * 60_000 }))
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 20, temperature: 0 }) }))
 *   .handler(async ({ text }, { model }) => (await model.invoke(`Question, complaint or praise? ${text}`)).text)
 * ```
 */
export function cache({
  ttlMs,
  maxBytes,
  store,
  key: matterOf = ({ payload }) => payload,
  sampling = false,
  encode = unchanged,
  decode = unchanged,
}: CacheOptions): CallPolicy & MiddyHooks {
  if (!(Number.isFinite(ttlMs) && ttlMs > 0)) {
    throw new TypeError(`cache: ttlMs is ${String(ttlMs)}. Give a number of milliseconds above 0.`)
  }
  if (store && maxBytes !== undefined) {
    throw new TypeError('cache: maxBytes limits the memory of the sandbox. Leave it out beside a store.')
  }
  const answers = store ?? memoryCacheStore(maxBytes === undefined ? {} : { maxBytes })
  /** Calls under way, by key. Of the sandbox on purpose: that is where equal requests meet. */
  const flights = new Map<string, Flight>()
  let warned = false

  function warn(error: unknown): undefined {
    const name = error instanceof Error ? error.name : typeof error
    if (!warned)
      process.emitWarning(`cache: the store failed (${name}). Calls go on without.`, 'SluiceWarning')
    warned = true
  }

  function keyOf(request: ModelRequest, tenant: string | undefined): string | undefined {
    if (!sampling && (request.temperature ?? 0) > 0) return undefined
    const matter = matterOf(request)
    return matter === undefined ? undefined : cacheKey(request, tenant, matter)
  }

  /** The kept answer as whoever asks gets it; undefined is a miss. */
  async function lookUp(key: string, signal: AbortSignal): Promise<Bytes | undefined> {
    try {
      const kept = await answers.get(key, signal)
      return kept && (await decode(kept))
    } catch (error) {
      return warn(error)
    }
  }

  async function keep(key: string, bytes: Bytes): Promise<void> {
    try {
      await answers.set(key, await encode(bytes), ttlMs)
    } catch (error) {
      warn(error)
    }
  }

  function replayed(bytes: Bytes, { call, signal }: CallContext): ModelResponse | undefined {
    try {
      const { output, events } = readAnswer(bytes)
      call.cached = true
      return events ? { output, events: replay(events, signal) } : { output }
    } catch (error) {
      return warn(error)
    }
  }

  return policyMiddleware<CallPolicy>({
    name: 'cache',
    stage: 'cache',
    wrap: (next) =>
      async function cache(request, context) {
        const { call, scope, signal } = context
        const key = keyOf(request, scope.tenant)
        if (key === undefined) return next(request, context)

        const flight = flights.get(key)
        if (flight) {
          const sinceMs = scope.clock.now()
          const bytes = await untilAborted(flight.join(), signal)
          call.waited('cache', scope.clock.now() - sinceMs)
          return (bytes && replayed(bytes, context)) ?? next(request, context)
        }

        const own = openFlight()
        flights.set(key, own)
        const land = (bytes?: Bytes): void => {
          own.land(bytes)
          flights.delete(key)
        }
        try {
          const bytes = await untilAborted(lookUp(key, signal), signal)
          const hit = bytes && replayed(bytes, context)
          if (hit) {
            land(bytes)
            return hit
          }
          const response = await next(request, context)
          const [recorded, answer] = record(response, own)
          call.onEnd((outcome) => {
            if (!isKept(outcome, request)) return land()
            scope.hold(
              recorded.then(async (whole) => {
                own.land(whole)
                // Whoever comes meanwhile finds the flight, not a store that does not know yet.
                if (whole) await keep(key, whole)
                land()
              }),
            )
          })
          return answer
        } catch (error) {
          land()
          throw error
        }
      },
  })
}

/** A call that others wait for. */
interface Flight {
  /** Resolves with the answer; with undefined when there is none to share. */
  join(): Promise<Bytes | undefined>
  land(bytes?: Bytes): void
  /** Called when somebody waits for the end of a stream: its own reader may not read on before he has that answer, too. */
  onJoin(listener: () => void): void
}

function openFlight(): Flight {
  const { promise, resolve } = Promise.withResolvers<Bytes | undefined>()
  let joined = false
  let notify = (): void => {}
  return {
    join() {
      joined = true
      notify()
      return promise
    },
    land: resolve,
    onJoin(listener) {
      notify = listener
      if (joined) listener()
    },
  }
}

/** The answer as bytes, once it has reached its end, and the answer as its caller reads it. */
function record(response: ModelResponse, flight: Flight): [Promise<Bytes | undefined>, ModelResponse] {
  const { output, events } = response
  const writer = answerWriter(output, events !== undefined)
  if (!events) return [Promise.resolve(writer.bytes()), response]
  const { promise, resolve } = Promise.withResolvers<Bytes | undefined>()
  const recording = recordingOf(events, writer.add, (whole) => resolve(whole ? writer.bytes() : undefined))
  flight.onJoin(recording.finish)
  return [promise, { output, events: recording.events }]
}

/** Ends of the models' own choosing, in the words of Converse and of the families behind InvokeModel. */
const ownEnds = [
  'end_turn',
  'stop_sequence',
  'tool_use',
  'stop',
  'tool_calls',
  'COMPLETE',
  'STOP_SEQUENCE',
  'TOOL_CALL',
  'FINISH',
  'FINISHED',
]

function isKept({ status, lastModelId, stopReason }: CallOutcome, request: ModelRequest): boolean {
  if (status !== 'answered' || lastModelId !== request.modelId) return false
  // What is not generated piece by piece, such as a vector, has no reason to stop.
  return stopReason === undefined ? !request.streaming : ownEnds.includes(stopReason)
}

async function* replay(events: readonly unknown[], signal: AbortSignal): AsyncGenerator<unknown> {
  for (const event of events) {
    if (signal.aborted) throw abortError(signal)
    yield event
  }
}

function unchanged(bytes: Bytes): Bytes {
  return bytes
}
