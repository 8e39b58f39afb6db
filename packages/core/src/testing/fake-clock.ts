/** A clock that moves only when told to. */

import type { Clock } from '../clock.ts'

export interface FakeClock extends Clock {
  /** Moves time on, running what falls due in its order and letting promises settle in between. */
  advance(durationMs: number): Promise<void>
  /** Timers that wait. */
  readonly pending: number
}

/**
 * @example
 * ```ts
 * import { sleep } from '@sluice/core'
 * import { fakeClock } from '@sluice/core/testing'
 *
 * const clock = fakeClock()
 * const waiting = sleep(clock, 60_000, new AbortController().signal)
 * await clock.advance(60_000)
 * await waiting
 * ```
 */
export function fakeClock(startMs = 1_700_000_000_000): FakeClock {
  let now = startMs
  let order = 0
  const timers = new Set<{ dueMs: number; order: number; callback: () => void }>()

  return {
    now: () => now,
    after(delayMs, callback) {
      const timer = { dueMs: now + delayMs, order: order++, callback }
      timers.add(timer)
      return () => {
        timers.delete(timer)
      }
    },
    get pending() {
      return timers.size
    },
    async advance(durationMs) {
      const untilMs = now + durationMs
      await settle()
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)
        if (!next || next.dueMs > untilMs) break
        timers.delete(next)
        now = next.dueMs
        next.callback()
        await settle()
      }
      now = untilMs
      await settle()
    },
  }
}

/** Long enough for chains of promises, and for what they start with `setImmediate`. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}
