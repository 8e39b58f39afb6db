/** Waiting for work that goes on elsewhere: until it has ended, and never past the deadline. */

import { type Clock, currentScope, SluiceError, sleep, systemClock } from '@sluice/core'

export interface WaitOptions {
  /** Ends the waiting, not the work. */
  readonly signal?: AbortSignal | undefined
  /**
   * The first wait between two looks, in milliseconds; each one is half as long again, up to a minute.
   *
   * @default 1000
   */
  readonly pollMs?: number
  /**
   * When to give up, in milliseconds since the epoch.
   *
   * @default 1 s before the deadline of the running invocation; outside of one, never
   */
  readonly deadlineMs?: number
  /**
   * Time, for tests.
   *
   * @default that of the running invocation, else the system's
   */
  readonly clock?: Clock
}

const reserveMs = 1_000
const maxPollMs = 60_000

/**
 * Looks until there is something to see.
 *
 * @throws SluiceError with the code `deadline_exceeded`: the work goes on, and can be waited for again
 */
export async function poll<Result>(
  what: string,
  look: (signal: AbortSignal) => Promise<Result | undefined>,
  options: WaitOptions,
): Promise<Result> {
  const scope = currentScope()
  const { clock = scope?.clock ?? systemClock, pollMs = 1_000 } = options
  const deadlineMs = options.deadlineMs ?? (scope ? scope.deadlineMs - reserveMs : Number.POSITIVE_INFINITY)
  const signals = [options.signal, scope?.signal].filter((signal) => signal !== undefined)
  const signal = AbortSignal.any(signals)
  for (let waitMs = pollMs; ; waitMs = Math.min(maxPollMs, waitMs * 1.5)) {
    const seen = await look(signal)
    if (seen !== undefined) return seen
    if (clock.now() + waitMs > deadlineMs) {
      throw new SluiceError(
        `${what} has not ended in the time that there was. Wait for it again, or let its event tell.`,
        {
          code: 'deadline_exceeded',
          retryable: true,
          statusCode: 504,
        },
      )
    }
    await sleep(clock, waitMs, signal)
  }
}
