/** When deferred messages come again: not before there is quota, and not all at once. */

export interface DeferralWait {
  /** What the error of the message says; undefined where it says nothing. */
  readonly retryAfterMs: number | undefined
  /** How often the message was received, also those of which it is a copy; this time included. */
  readonly receives: number
  readonly backoffMs: number
  /** From 0 to 1. */
  readonly random: number
}

/** Messages of a queue are invisible for 12 hours at most, of which the event has taken a part. */
const longestMs = 10 * 3_600_000
/** Who has waited for long is not to wait for much longer than others. */
const longestSpreadMs = 900_000

/**
 * The wait of a message, in milliseconds. A hint knows when there is room for one call, and nothing of the messages that
 * were given the same hint, in this sandbox and in others. So it is the least, and messages are spread behind it: over
 * `backoffMs`, and over twice as much each time that a message was received in vain, since then there are more of them
 * than had room.
 */
export function deferralWaitMs({ retryAfterMs, receives, backoffMs, random }: DeferralWait): number {
  const doubledMs = backoffMs * 2 ** Math.min(receives - 1, 10)
  const leastMs = Math.min(longestMs, retryAfterMs ?? doubledMs)
  const spreadMs = Math.max(leastMs / 4, retryAfterMs === undefined ? 0 : doubledMs)
  return leastMs + random * Math.min(longestSpreadMs, spreadMs)
}
