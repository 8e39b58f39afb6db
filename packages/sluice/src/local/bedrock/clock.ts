/** The clock of the local endpoint: everything that waits or stamps a time goes through it. */
import { setTimeout as sleepFor } from 'node:timers/promises'

/** Time as the endpoint sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since the epoch, with a fraction. */
  now(): number
  /** Resolves after `ms`; rejects as soon as the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock; it never goes back, so a quota cannot be refilled by a clock correction. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (ms, signal) => sleepFor(ms, undefined, signal ? { signal } : {}),
}

/** Random numbers in [0, 1) that repeat for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
