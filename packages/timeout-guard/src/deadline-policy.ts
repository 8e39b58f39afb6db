/** The one deadline of a call, over its waits, its attempts and the last byte of its stream. */

import {
  type Attempt,
  abortError,
  type CallContext,
  type CallPolicy,
  type ModelRequest,
  noUsage,
} from '@sluice/core'
import { DeadlineExceededError } from './deadline-exceeded-error.ts'
import type { GuardedCall, Invocation } from './invocation.ts'
import { expectedServiceMs } from './service-time.ts'
import { stopwatch } from './stopwatch.ts'

/** @param floorTokens - The shortest answer that a caller is content with; `Infinity` where answers are not fitted. */
export function deadlinePolicy(invocation: Invocation, floorTokens: number): CallPolicy {
  return {
    name: 'timeoutGuard',
    stage: 'deadline',
    wrap: (next) =>
      function timeoutGuard(request, context) {
        // Not every policy listens to its signal; the caller is told in time all the same.
        return new Promise((resolve, reject) => {
          const { call, scope, signal: outer } = context
          if (outer.aborted) return reject(abortError(outer))
          const controller = new AbortController()
          let cancel = (): void => {}

          function stop(reason: Error): void {
            cancel()
            controller.abort(reason)
            reject(reason)
          }
          function onOuterAbort(): void {
            stop(abortError(outer))
          }

          const guarded = guardedCall(invocation, context, floorTokens, stop)
          const leftMs = invocation.leftMs(scope)
          if (guarded.refused(request)) return
          if (leftMs !== Infinity) cancel = scope.clock.after(leftMs, guarded.expire)
          outer.addEventListener('abort', onOuterAbort, { once: true })
          invocation.calls.set(call, guarded)
          call.onEnd(() => {
            cancel()
            outer.removeEventListener('abort', onOuterAbort)
            invocation.calls.delete(call)
          })
          next(request, { ...context, signal: controller.signal }).then(resolve, reject)
        })
      },
  }
}

/** Of the time that the first call of the invocation had. */
const nearlyAll = 0.9

interface OwnCall extends GuardedCall {
  /** Ends the call if there is no time for this request; returns whether it did. */
  refused(request: ModelRequest): boolean
  /** The deadline has come. */
  expire(): void
}

function guardedCall(
  invocation: Invocation,
  { call, scope }: CallContext,
  floorTokens: number,
  stop: (reason: Error) => void,
): OwnCall {
  const { modelId, acceptsPartial } = call.request
  const { clock } = scope
  const watch = stopwatch(call.startedAtMs - invocation.startedAtMs, call.startedAtMs)
  const fullMs = invocation.fullMs(scope)
  let attempt: Attempt | undefined
  let sent = 0
  let told = false

  function act(neededMs?: number): void {
    // Only observed, a call goes on, and is in everybody's way once.
    if (told) return
    told = true
    const leftMs = invocation.leftMs(scope)
    const action = neededMs === undefined ? 'ended' : 'refused'
    invocation.act(call, { action, leftMs, ...(neededMs !== undefined && { neededMs }) }, () => {
      // An attempt that nobody has told us of is one that waits for quota.
      const unsent = call.attempts > sent ? 'quota' : undefined
      stop(
        new DeadlineExceededError({
          modelId,
          leftMs,
          neededMs,
          spentMs: watch.read(clock.now(), unsent),
          partial: (attempt?.seen.contentEvents ?? 0) > 0,
          usage: attempt?.usage() ?? noUsage,
          unbilled: sent === 0,
        }),
      )
    })
  }

  function refused(request: ModelRequest): boolean {
    const leftMs = invocation.leftMs(scope)
    // Who has all the time that there ever is gets no more by coming back; and without trying nothing would be learned.
    if (leftMs > 0 && leftMs >= fullMs * nearlyAll) return false
    const neededMs = expectedServiceMs(request, acceptsPartial ? 1 : floorTokens)
    if (leftMs > 0 && leftMs >= neededMs) return false
    act(neededMs)
    return invocation.enforced
  }

  return {
    refused,
    expire: () => act(),
    sending(next) {
      watch.enter('quota', next.startedAtMs)
      if (refused(next.request)) return false
      watch.enter('firstContent', clock.now())
      attempt = next
      sent++
      next.onEnd(() => {
        watch.enter('retry', clock.now())
        attempt = undefined
      })
      return true
    },
    answering() {
      watch.enter('stream', clock.now())
    },
  }
}
