/** Time as a dependency: everything that waits or measures takes a `Clock`, so that tests never sleep. */

import { CallAbortedError } from './errors.ts'

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

/** Of Node's timers, 24 days: what is longer would come at once. */
const longestMs = 2 ** 31 - 1

/** The real time. Its timers keep the process alive: a Lambda whose event loop runs empty in a wait is shut down. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, longestMs))
    return () => clearTimeout(timer)
  },
}

/**
 * Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts.
 *
 * @example
 * ```ts
 * import { sleep, systemClock } from '@sluice/core'
 *
 * await sleep(systemClock, 20, new AbortController().signal)
 * ```
 */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal))
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    function onAbort(): void {
      cancel()
      reject(abortError(signal))
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** The error of an aborted signal: a Sluice reason as it is (deadline, scope), anything else as `AbortError`. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  if (reason instanceof Error && 'code' in reason && 'retryable' in reason) return reason
  return new CallAbortedError('The call was aborted by its signal.', { code: 'aborted', cause: reason })
}

/** What `work` comes to, or the signal's reason as soon as it aborts: for work that nobody else may or can stop. */
export function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal))
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
