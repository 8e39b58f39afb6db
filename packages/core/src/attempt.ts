/**
 * One attempt: what is sent once and billed once. However it ends (answered, rejected, cut, left early, never
 * read, aborted, its scope closed over it, a policy threw), it ends exactly once, and every policy that took
 * part is handed the same outcome.
 */

import type {
  AttemptCall,
  AttemptContext,
  CallContext,
  ModelCall,
  ModelRequest,
  OpenCall,
  Seen,
  Sent,
} from './call.ts'
import { abortError } from './clock.ts'
import { ScopeEndedError, SluiceError } from './errors.ts'
import type { Outcome, Status } from './outcome.ts'
import { publishAttempt } from './records.ts'
import { estimateTokens, observe } from './statistics.ts'
import { openStream } from './stream.ts'
import { noUsage, type Usage } from './usage.ts'

export interface Attempt {
  /** 1 for the first attempt of its call. */
  readonly number: number
  readonly request: ModelRequest
  readonly startedAtMs: number
  /** What the stream has told so far. */
  readonly seen: Readonly<Seen>
  /** Aborts with the call, and by `abort`. */
  readonly signal: AbortSignal
  /** Whether its caller waits for it: for the answer, or for the next event of its stream. */
  isWaiting(): boolean
  /** As the provider told it, else as it was seen. */
  usage(): Usage
  /** Ends the attempt now; the caller's promise or iteration rejects with `reason`. */
  abort(reason: SluiceError): void
  /**
   * Hands over the outcome, once; at once if the attempt has ended. A returned promise is awaited by the drain at
   * the end of the invocation. A listener that throws is reported as a warning and disturbs nobody else.
   */
  onEnd(listener: (outcome: Outcome) => void | Promise<void>): void
  /** Calls `listener` with every event of a stream as it arrives. */
  onEvent(listener: (event: unknown, seen: Readonly<Seen>) => void): void
}

/** @internal The attempt as the boundary, the transport and the stream see it. */
export interface OpenAttempt extends Attempt {
  readonly seen: Seen
  ended: boolean
  /** True from the moment the stream has been handed to the caller. */
  handedOver: boolean
  /** Called on an abort, so that nobody hangs on a transport that does not listen to its signal. */
  onAbort: ((reason: Error) => void) | undefined
  readonly context: CallContext
  sending(): void
  note(event: unknown, read: (event: unknown, seen: Seen) => void): void
  end(status: Status, error?: Error): void
  /** The answer is whole and only its usage is outstanding: the end of the scope waits for it instead of aborting it. */
  detach(): void
  /** Tells the provider to stop; for an attempt that ended before the provider did. */
  stop(): void
}

/** The boundary between the stages of the call and those of the attempt: each passage is one attempt. */
export function runAttempt(next: AttemptCall): ModelCall {
  return function attemptBoundary(request, context) {
    return new Promise((resolve, reject) => {
      if (context.signal.aborted) return reject(abortError(context.signal))
      const attempt = openAttempt(request, context)
      attempt.onAbort = reject
      next(request, { ...context, attempt, signal: attempt.signal }).then(
        (response) => {
          attempt.onAbort = undefined
          if (response.events) attempt.handedOver = true
          // A policy may answer by itself, without sending anything.
          else attempt.end('answered')
          resolve(response)
        },
        (error: Error) => {
          attempt.onAbort = undefined
          if (!attempt.ended) {
            attempt.end('failed', error)
            attempt.stop()
          }
          reject(error)
        },
      )
    })
  }
}

/** The innermost call: sends the request and, for a stream, waits for its first content. */
export async function sendAttempt(request: ModelRequest, context: AttemptContext): ReturnType<AttemptCall> {
  const attempt = context.attempt as OpenAttempt
  attempt.sending()
  const { transport } = request
  let sent: Sent | undefined
  try {
    sent = await transport.send(request, context)
    attempt.seen.terms = sent.terms
    if (sent.events) {
      return { output: sent.output, events: await openStream(attempt, sent, transport) }
    }
    attempt.seen.usage = sent.usage
    attempt.seen.outputBytes = sent.outputBytes ?? 0
    attempt.seen.stopReason = sent.stopReason
    attempt.seen.complete = true
    attempt.end('answered')
    return { output: sent.output }
  } catch (thrown) {
    const error = attempt.signal.aborted ? abortError(attempt.signal) : transport.toError(thrown)
    attempt.end('failed', error)
    if (sent?.events) attempt.stop()
    throw error
  }
}

function openAttempt(request: ModelRequest, context: CallContext): OpenAttempt {
  const { scope } = context
  const call = context.call as OpenCall
  const controller = new AbortController()
  const endListeners: ((outcome: Outcome) => void | Promise<void>)[] = []
  const eventListeners: ((event: unknown, seen: Seen) => void)[] = []
  const seen: Seen = {
    contentEvents: 0,
    outputBytes: 0,
    usage: undefined,
    stopReason: undefined,
    complete: false,
  }
  let sentAtMs: number | undefined
  let firstContentAtMs: number | undefined
  let outcome: Outcome | undefined

  const parent = context.signal
  function onParentAbort(): void {
    attempt.abort(abortError(parent) as SluiceError)
  }
  parent.addEventListener('abort', onParentAbort, { once: true })

  function outcomeOf(status: Status, error: Error | undefined): Outcome {
    const now = scope.clock.now()
    const known = seen.usage ?? (isBilled(sentAtMs, seen, error) ? undefined : noUsage)
    const usage = known ?? attempt.usage()
    const ended: { -readonly [Key in keyof Outcome]: Outcome[Key] } = {
      status,
      usage,
      estimated: known === undefined,
      partial: seen.contentEvents > 0 && !seen.complete,
      sent: sentAtMs !== undefined,
      durationMs: now - attempt.startedAtMs,
    }
    if (known === undefined && request.maxTokens !== undefined) {
      ended.atMost = { ...usage, outputTokens: Math.max(usage.outputTokens, request.maxTokens) }
    }
    if (seen.terms ?? request.terms) ended.terms = { ...request.terms, ...seen.terms }
    if (seen.stopReason !== undefined) ended.stopReason = seen.stopReason
    if (error) ended.error = error
    if (sentAtMs !== undefined) {
      ended.serviceMs = now - sentAtMs
      if (firstContentAtMs !== undefined) ended.firstContentMs = firstContentAtMs - sentAtMs
    }
    return ended
  }

  function handOver(listener: (outcome: Outcome) => void | Promise<void>): void {
    scope.guard(() => {
      const work = listener(outcome as Outcome)
      if (work) scope.hold(work)
    })
  }

  function tellProvider(reason: SluiceError): void {
    controller.abort(reason)
    // Node writes the end of an HTTP/2 stream in its next turn. A sandbox that freezes before would leave the model writing.
    if (sentAtMs !== undefined) scope.hold(new Promise((resolve) => setImmediate(resolve)))
  }

  const attempt: OpenAttempt = {
    number: call.attemptStarted(),
    request,
    context,
    startedAtMs: scope.clock.now(),
    seen,
    signal: controller.signal,
    handedOver: false,
    onAbort: undefined,
    ended: false,
    isWaiting: () => attempt.onAbort !== undefined,
    abort(reason) {
      if (outcome) return
      // Nobody is waiting for a stream that was handed over and is not being read: its scope closes over it.
      const left = attempt.handedOver && !attempt.onAbort && reason.code === 'scope_ended'
      // The answer is whole; only what follows it (its usage) is lost.
      if (seen.complete && !left) attempt.end('answered')
      else attempt.end(left ? 'left' : 'failed', reason)
      tellProvider(reason)
      attempt.onAbort?.(reason)
    },
    onEnd(listener) {
      if (outcome) handOver(listener)
      else endListeners.push(listener)
    },
    onEvent(listener) {
      eventListeners.push(listener)
    },
    sending() {
      if (sentAtMs !== undefined) {
        throw new SluiceError(
          'An attempt is sent once. Call next() once, or move the policy to a call stage.',
          {
            code: 'policy_conflict',
          },
        )
      }
      sentAtMs = scope.clock.now()
    },
    usage() {
      return seen.usage ?? seenUsage(request, seen)
    },
    note(event, read) {
      const before = seen.contentEvents
      read(event, seen)
      if (before === 0 && seen.contentEvents > 0) firstContentAtMs = scope.clock.now()
      for (const listener of eventListeners) listener(event, seen)
    },
    end(status, error) {
      if (outcome) return
      outcome = outcomeOf(status, error)
      attempt.ended = true
      parent.removeEventListener('abort', onParentAbort)
      observe(request, outcome, seen.outputBytes)
      for (const listener of endListeners) handOver(listener)
      publishAttempt(call, attempt, outcome)
      call.attemptEnded(outcome, request.modelId)
    },
    detach() {
      parent.removeEventListener('abort', onParentAbort)
    },
    stop() {
      tellProvider(new ScopeEndedError('The attempt has ended.', { code: 'scope_ended' }))
    },
  }
  return attempt
}

/** Whether something may have to be paid although the provider did not tell the usage. */
function isBilled(sentAtMs: number | undefined, seen: Seen, error: Error | undefined): boolean {
  if (sentAtMs === undefined) return false
  if (seen.contentEvents > 0) return true
  return !(SluiceError.is(error) && error.unbilled)
}

function seenUsage(request: ModelRequest, seen: Seen): Usage {
  return {
    ...noUsage,
    inputTokens: request.estimatedInputTokens,
    outputTokens:
      seen.outputBytes > 0 ? Math.max(1, estimateTokens(request.baseModelId, seen.outputBytes)) : 0,
  }
}
