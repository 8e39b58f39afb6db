/** What the policies of one invocation share. */

import type { Attempt, Call, Scope } from '@sluice/core'
import { type Event, publish, type TimeoutGuardAction } from './records.ts'

export interface Invocation {
  readonly startedAtMs: number
  readonly enforced: boolean
  readonly calls: Map<Call, GuardedCall>
  /** Milliseconds until model calls must be over; `Infinity` where there is no deadline. */
  leftMs(scope: Scope): number
  /** What the first call of the invocation had: what coming back gets another call at most. */
  fullMs(scope: Scope): number
  /** Tells what is to be done, and does it unless nothing is enforced. */
  act(call: Call, event: Event, enforce?: () => void): void
}

/** A call as its attempts see it. */
export interface GuardedCall {
  /** The attempt has waited for quota since it started. Returns false when it is too late to send it: the call has ended. */
  sending(attempt: Attempt): boolean
  /** The answer has begun. */
  answering(): void
}

/**
 * @param reserveMs - Between the deadline of model calls and the end of the invocation.
 * @param warn - Called for what would have been done.
 */
export function openInvocation(
  scope: Scope,
  reserveMs: number,
  enforced: boolean,
  warn: (action: TimeoutGuardAction) => void,
): Invocation {
  const ownDeadlineMs = scope.deadlineMs - reserveMs
  // Whoever waits looks at the scope, and so obeys without knowing of the guard.
  if (enforced) scope.deadlineMs = ownDeadlineMs
  let fullMs: number | undefined

  function leftMs({ clock, deadlineMs }: Scope): number {
    return Math.min(deadlineMs, ownDeadlineMs) - clock.now()
  }

  return {
    startedAtMs: scope.clock.now(),
    enforced,
    calls: new Map(),
    leftMs,
    fullMs(scope) {
      fullMs ??= leftMs(scope)
      return fullMs
    },
    act(call, event, enforce) {
      publish(call, enforced, event)
      if (enforced) enforce?.()
      else warn(event.action)
    },
  }
}
