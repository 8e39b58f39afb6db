/** The limits of one attempt, counted from its sending: waiting for quota is not slowness. */

import {
  type Attempt,
  type AttemptPolicy,
  abortError,
  type Clock,
  type SluiceError,
  StreamInterruptedError,
  TransportError,
} from '@sluice/core'
import type { Invocation } from './invocation.ts'

export interface AttemptLimits {
  readonly firstContentMs?: number | undefined
  readonly idleMs?: number | undefined
  readonly attemptMs?: number | undefined
}

export function attemptPolicy(
  invocation: Invocation,
  { firstContentMs, idleMs, attemptMs }: AttemptLimits,
): AttemptPolicy {
  return {
    name: 'timeoutGuard.attempt',
    stage: 'attempt',
    wrap: (next) =>
      async function timeoutGuardAttempt(request, context) {
        const { attempt, call, scope } = context
        const guarded = invocation.calls.get(call)
        // The wait for quota may have taken what the answer needs.
        if (guarded?.sending(attempt) === false) throw abortError(attempt.signal)

        function after(limit: keyof AttemptLimits, limitMs: number | undefined): () => void {
          if (limitMs === undefined) return () => {}
          const cancel = scope.clock.after(limitMs, () => exceeded(limit, limitMs))
          attempt.onEnd(cancel)
          return cancel
        }
        function exceeded(limit: keyof AttemptLimits, limitMs: number): void {
          invocation.act(call, { action: limit, leftMs: invocation.leftMs(scope) }, () => {
            attempt.abort(errorOf(attempt, limit, limitMs))
          })
        }

        after('attemptMs', attemptMs)
        const begun = after('firstContentMs', request.streaming ? firstContentMs : undefined)
        const response = await next(request, context)
        begun()
        if (response.events) {
          guarded?.answering()
          if (idleMs !== undefined) watchIdle(attempt, scope.clock, idleMs, () => exceeded('idleMs', idleMs))
        }
        return response
      },
  }
}

/** By how many looks an idle stream is told from a slow one. */
const looks = 4

/**
 * Looks now and then instead of listening to every token. Counts only while somebody waits for the next one: a reader
 * who takes his time is not the model's silence.
 */
function watchIdle(attempt: Attempt, clock: Clock, idleMs: number, onIdle: () => void): void {
  let cancel = clock.after(idleMs / looks, look)
  let content: number | undefined
  let quiet = 0

  function look(): void {
    const { contentEvents, complete } = attempt.seen
    const now = attempt.isWaiting() && !complete ? contentEvents : undefined
    quiet = now !== undefined && now === content ? quiet + 1 : 0
    content = now
    if (quiet === looks) onIdle()
    else cancel = clock.after(idleMs / looks, look)
  }

  attempt.onEnd(() => cancel())
}

/** Before content another attempt, or another model, may do better. After it nothing is repeated. */
function errorOf(attempt: Attempt, limit: keyof AttemptLimits, limitMs: number): SluiceError {
  const message = `${attempt.request.modelId} reached ${limit} of timeoutGuard, ${limitMs} ms.`
  return attempt.seen.contentEvents > 0
    ? new StreamInterruptedError(message, { partial: true, usage: attempt.usage() })
    : new TransportError(message, { code: 'transport_failed', statusCode: 504, retryable: true })
}
