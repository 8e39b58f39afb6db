/** One model call: the words that every package shares, and the way through the chain. */

import { type Attempt, runAttempt, sendAttempt } from './attempt.ts'
import { CallAbortedError, ScopeEndedError, type SluiceError } from './errors.ts'
import type { CallOutcome, Outcome, Terms } from './outcome.ts'
import { compose, type Policy } from './policy.ts'
import { publishCall } from './records.ts'
import type { Scope } from './scope.ts'
import { addUsage, noUsage, type Usage } from './usage.ts'

/** What is asked of which model. Most policies read only the descriptor; cache, fallback and guardrails also the payload. */
export interface ModelRequest {
  /** `bedrock`, `sagemaker`, ... */
  readonly provider: string
  /** As it is called: a model id, an inference profile or an ARN. */
  readonly modelId: string
  /** `modelId` without Region prefix or ARN: what prices, quotas and statistics are keyed by. */
  readonly baseModelId: string
  /** The provider's own name: `Converse`, `ConverseStream`, `InvokeModel`, ... */
  readonly operation: string
  readonly streaming: boolean
  /** Size of the prompt in bytes of UTF-8, images and documents as an allowance. */
  readonly inputBytes: number
  readonly estimatedInputTokens: number
  /** The declared maximum of output tokens. Unset, a provider reserves the model's own maximum. */
  readonly maxTokens: number | undefined
  /** As the request sets it. Above 0, the same request may be answered differently; unset, the model has a default. */
  readonly temperature?: number | undefined
  /** As the request asks for them. The outcome has those that were served. */
  readonly terms?: Terms | undefined
  /** True when a part of the answer is better than none, for a caller who streams it. */
  readonly acceptsPartial?: boolean | undefined
  /** The provider's own input; for Bedrock the input of the command. */
  readonly payload: unknown
  readonly transport: Transport
}

/** How one provider sends a request. Errors are mapped here, once; policies never look at a status code. */
export interface Transport {
  send(request: ModelRequest, context: AttemptContext): Promise<Sent>
  /** Maps whatever `send` or the iteration of its events threw. */
  toError(error: unknown): SluiceError
  /**
   * The same request for another model of this provider, sent the same way. Absent where the answers of another model
   * are no substitute (embeddings).
   *
   * @throws SluiceError with the code `invalid_request` when the payload is written for one family of models only
   */
  withModel?(request: ModelRequest, modelId: string): ModelRequest
  /** The same request with another maximum of output tokens. Absent where the payload is not understood. */
  readonly withMaxTokens?: ((request: ModelRequest, maxTokens: number) => ModelRequest) | undefined
}

/** What came back. Without `events` the answer is whole; with them it is being streamed. */
export interface Sent {
  /** The provider's own output object. */
  readonly output: unknown
  readonly usage?: Usage | undefined
  readonly stopReason?: string | undefined
  readonly terms?: Terms | undefined
  /** Size of a whole answer in bytes of UTF-8: its length where the provider tells no usage. */
  readonly outputBytes?: number | undefined
  readonly events?: AsyncIterable<unknown> | undefined
  /** Notes what one event tells. Called once per event, in order. */
  read?(event: unknown, seen: Seen): void
}

/** What a stream has told so far. */
export interface Seen {
  /** Events that carried a part of the answer. */
  contentEvents: number
  outputBytes: number
  usage: Usage | undefined
  stopReason: string | undefined
  terms?: Terms | undefined
  /** True once the provider said that the answer is whole. A stream that ends before is cut, even when it ends politely. */
  complete: boolean
}

export interface ModelResponse {
  /** The provider's own output object. */
  readonly output: unknown
  /** The events of a streamed answer, each exactly as the provider's SDK gives it. Throws `StreamInterruptedError` when cut. */
  readonly events?: AsyncIterable<unknown>
}

/** What a policy of the call stages may use. */
export interface CallContext {
  readonly scope: Scope
  readonly call: Call
  /** Aborts when the caller, the deadline or the end of the scope says so. Pass a narrower one on with `{ ...context, signal }`. */
  readonly signal: AbortSignal
  /**
   * The longest that a policy may wait (for quota, for a retry) before it sends, in milliseconds. Set by a fallback that
   * has somebody else to ask: a policy that would wait for longer throws instead, at once, with `retryAfterMs`.
   *
   * @default no limit but the deadline
   */
  readonly maxWaitMs?: number | undefined
}

/** What a policy of the attempt stages may use. */
export interface AttemptContext extends CallContext {
  readonly attempt: Attempt
}

export type ModelCall = (request: ModelRequest, context: CallContext) => Promise<ModelResponse>
export type AttemptCall = (request: ModelRequest, context: AttemptContext) => Promise<ModelResponse>

/** One call as its caller sees it, from the first policy to the end of the last attempt. */
export interface Call {
  readonly id: string
  readonly scope: Scope
  readonly request: ModelRequest
  readonly startedAtMs: number
  /** Attempts begun so far. */
  readonly attempts: number
  /** Set by a policy that answers without an attempt of this call, from a cache or from an equal call that is under way. */
  cached: boolean
  /** Adds to the time this call has spent waiting for `reason` (`retry`, `quota`, ...). */
  waited(reason: string, durationMs: number): void
  /** Hands over the end of the call, once; at once if it has ended. */
  onEnd(listener: (outcome: CallOutcome) => void): void
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Policies that hold unless the scope has one of the same name. Keep the array: the chain is composed once for each. */
  readonly defaults?: readonly Policy[] | undefined
}

const noPolicies: readonly Policy[] = []

/**
 * Sends a request through the policies of a scope. The first call seals the scope's list of policies.
 *
 * @throws ScopeEndedError when the invocation is over; whatever a policy or the transport throws.
 */
export async function callModel(
  scope: Scope,
  request: ModelRequest,
  { signal, defaults = noPolicies }: CallOptions = {},
): Promise<ModelResponse> {
  if (scope.ended) {
    throw new ScopeEndedError(
      'A model call was started after its invocation had ended: a promise was not awaited, or a hook that runs ' +
        'after the first Sluice middleware of the chain makes calls. Await the call, or move that .use() below.',
      { code: 'scope_ended' },
    )
  }
  if (signal?.aborted) throw new CallAbortedError('The call was aborted by its signal.', { code: 'aborted' })
  const chain = scope.chain(defaults, composeChain)
  const call = openCall(scope, request)
  try {
    const response = await chain(request, {
      scope,
      call,
      signal: signal ? AbortSignal.any([scope.callSignal, signal]) : scope.callSignal,
    })
    call.resolved()
    return response
  } catch (error) {
    call.resolved(error as Error)
    throw error
  }
}

function composeChain(policies: readonly Policy[]): ModelCall {
  return compose(policies, runAttempt, sendAttempt)
}

/** @internal The call as the attempts inside it see it. */
export interface OpenCall extends Call {
  attempts: number
  attemptStarted(): number
  attemptEnded(outcome: Outcome, modelId: string): void
  resolved(error?: Error): void
}

function openCall(scope: Scope, request: ModelRequest): OpenCall {
  const listeners: ((outcome: CallOutcome) => void)[] = []
  const waitedMs: Record<string, number> = {}
  let open = 0
  let usage = noUsage
  let estimated = false
  let last: Outcome | undefined
  let lastModelId: string | undefined
  let settled: { error?: Error } | undefined
  let ended: CallOutcome | undefined

  function endIfDone(): void {
    if (ended || !settled || open > 0) return
    // A stream that fails after the promise resolved fails the call too: the last attempt says how it ended.
    const error = settled.error ?? last?.error
    ended = {
      status: settled.error ? 'failed' : (last?.status ?? 'answered'),
      attempts: call.attempts,
      cached: call.cached,
      lastModelId,
      stopReason: last?.stopReason,
      usage,
      estimated,
      durationMs: scope.clock.now() - call.startedAtMs,
      waitedMs,
      ...(error && { error }),
    }
    scope.callEnded()
    for (const listener of listeners) scope.guard(() => listener(ended as CallOutcome))
    publishCall(call, ended)
  }

  const call: OpenCall = {
    id: scope.callStarted(),
    scope,
    request,
    startedAtMs: scope.clock.now(),
    attempts: 0,
    cached: false,
    waited(reason, durationMs) {
      waitedMs[reason] = (waitedMs[reason] ?? 0) + durationMs
    },
    onEnd(listener) {
      if (ended) listener(ended)
      else listeners.push(listener)
    },
    attemptStarted() {
      open++
      return ++call.attempts
    },
    attemptEnded(outcome, modelId) {
      open--
      last = outcome
      lastModelId = modelId
      usage = usage === noUsage ? outcome.usage : addUsage(usage, outcome.usage)
      estimated ||= outcome.estimated
      endIfDone()
    },
    resolved(error) {
      settled = error ? { error } : {}
      endIfDone()
    },
  }
  return call
}
