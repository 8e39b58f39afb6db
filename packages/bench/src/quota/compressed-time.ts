/** Time that passes faster than it does: minutes of a quota in seconds of a bench, the same in all processes of a run. */

import { setTimeout as sleepFor } from 'node:timers/promises'

export interface Compression {
  /** Where both times are the same, in milliseconds since the epoch. */
  readonly originMs: number
  /** So many of its seconds pass in one. */
  readonly factor: number
}

/** A clock as core takes it, and as the local endpoint does. */
export interface CompressedClock {
  now(): number
  after(delayMs: number, callback: () => void): () => void
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export function compressedClock(
  { originMs, factor }: Compression,
  realNow: () => number = () => performance.timeOrigin + performance.now(),
): CompressedClock {
  return {
    now: () => Math.floor(originMs + (realNow() - originMs) * factor),
    after(delayMs, callback) {
      const timer = setTimeout(callback, Math.min(delayMs / factor, 2 ** 31 - 1))
      return () => clearTimeout(timer)
    },
    sleep: (ms, signal) => sleepFor(ms / factor, undefined, signal ? { signal } : {}),
  }
}
