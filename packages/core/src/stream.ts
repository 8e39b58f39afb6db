/** The events of one streamed answer: watched for its end, and never allowed to end quietly before it. */

import type { OpenAttempt } from './attempt.ts'
import type { Sent, Transport } from './call.ts'
import { abortError, sleep } from './clock.ts'
import { StreamInterruptedError } from './errors.ts'

/**
 * Reads up to the first content, so that until then retry and fallback are free to act, and returns the events
 * from the beginning. The returned iterable can be iterated once, as the SDK's own.
 */
export async function openStream(
  attempt: OpenAttempt,
  sent: Sent,
  transport: Transport,
): Promise<AsyncIterable<unknown>> {
  const source = (sent.events as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  const read = sent.read?.bind(sent) ?? (() => {})
  const { seen } = attempt
  const early: unknown[] = []
  while (seen.contentEvents === 0 && !seen.complete) {
    if (attempt.ended) {
      source.return?.()?.catch(() => {})
      throw abortError(attempt.signal)
    }
    const step = await source.next()
    if (step.done) {
      // Where nothing in an answer marks its end, the end of the stream may be the first that is known of it.
      if (seen.complete) break
      throw interrupted(attempt)
    }
    attempt.note(step.value, read)
    early.push(step.value)
  }
  return watched(attempt, source, early, read, transport)
}

type Step = IteratorResult<unknown, undefined>
const done: Step = { done: true, value: undefined }

function watched(
  attempt: OpenAttempt,
  source: AsyncIterator<unknown>,
  early: unknown[],
  read: NonNullable<Sent['read']>,
  transport: Transport,
): AsyncIterableIterator<unknown, undefined> {
  let position = 0
  let finished = false

  function fail(error: Error): Error {
    finished = true
    if (!attempt.ended) {
      attempt.end('failed', error)
      attempt.stop()
    }
    return error
  }

  function accept(step: IteratorResult<unknown>): Step {
    if (!step.done) {
      attempt.note(step.value, read)
      return step
    }
    // An HTTP/2 stream that was reset, or whose session died, ends without an error. Only the provider's own word counts.
    if (attempt.ended || !attempt.seen.complete) {
      throw fail(attempt.signal.aborted ? abortError(attempt.signal) : interrupted(attempt))
    }
    finished = true
    attempt.end('answered')
    return done
  }

  function reject(thrown: unknown): Step {
    if (attempt.signal.aborted) throw fail(abortError(attempt.signal))
    // The answer is whole; only what follows it (its usage) was lost.
    if (attempt.seen.complete) {
      finished = true
      attempt.end('answered')
      return done
    }
    throw fail(interrupted(attempt, transport.toError(thrown)))
  }

  /** For callers that stop at the last word of the answer: what still follows is its exact usage. */
  async function readUsage(): Promise<void> {
    const { clock, deadlineMs } = attempt.context.scope
    const enough = new AbortController()
    attempt.detach()
    const rest = (async () => {
      for (let step = await source.next(); !step.done; step = await source.next())
        attempt.note(step.value, read)
    })()
    const withinMs = Math.max(0, Math.min(usageWithinMs, (deadlineMs - clock.now()) / 2))
    await Promise.race([rest, sleep(clock, withinMs, enough.signal)]).catch(() => {})
    enough.abort()
    attempt.end('answered')
    if (attempt.seen.usage === undefined) attempt.stop()
  }

  // One promise for each event and no closure: this is the hot path of every streamed token.
  let resolveRead: (step: Step) => void
  let rejectRead: (error: Error) => void
  let lastRead: Promise<Step> = Promise.resolve(done)

  function startRead(resolve: (step: Step) => void, reject: (error: Error) => void): void {
    resolveRead = resolve
    rejectRead = reject
    attempt.onAbort = onAbort
    source.next().then(onStep, onError)
  }

  function onAbort(reason: Error): void {
    // The read is over for its caller, also when the source never hears of the abort.
    attempt.onAbort = undefined
    if (attempt.seen.complete) resolveRead(done)
    else rejectRead(reason)
  }

  function onStep(step: IteratorResult<unknown>): void {
    settleRead(accept, step)
  }

  function onError(thrown: unknown): void {
    settleRead(reject, thrown)
  }

  function settleRead<Value>(settle: (value: Value) => Step, value: Value): void {
    attempt.onAbort = undefined
    try {
      resolveRead(settle(value))
    } catch (error) {
      // A policy that listens to events may throw as well.
      rejectRead(finished ? (error as Error) : fail(error as Error))
    }
  }

  return {
    next() {
      if (position < early.length) return Promise.resolve({ done: false, value: early[position++] })
      // Like a generator's, the reads of an impatient consumer queue up.
      if (attempt.onAbort) {
        const next = () => this.next()
        lastRead = lastRead.then(next, next)
        return lastRead
      }
      if (finished) return Promise.resolve(done)
      if (attempt.ended) {
        finished = true
        return attempt.seen.complete ? Promise.resolve(done) : Promise.reject(abortError(attempt.signal))
      }
      lastRead = new Promise(startRead)
      return lastRead
    },
    return() {
      if (!finished && !attempt.ended) {
        if (attempt.seen.complete && attempt.seen.usage === undefined) {
          attempt.context.scope.hold(readUsage())
        } else {
          attempt.end(attempt.seen.complete ? 'answered' : 'left')
          // Leaving the loop does not close an HTTP/2 stream: the rest would be generated, and billed.
          attempt.stop()
        }
      }
      position = early.length
      finished = true
      return Promise.resolve(done)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** The usage follows the last word within milliseconds; a connection that died in between must not hold the drain. */
const usageWithinMs = 2_000

function interrupted(attempt: OpenAttempt, cause?: Error): StreamInterruptedError {
  const partial = attempt.seen.contentEvents > 0
  return new StreamInterruptedError(
    partial
      ? `The stream of ${attempt.request.modelId} broke off after ${attempt.seen.contentEvents} content events. What was read is a part of the answer.`
      : `The stream of ${attempt.request.modelId} ended before any content.`,
    { partial, usage: attempt.usage(), cause },
  )
}
