/** When deferred messages come again: not before there is quota, and not all at once. */

export interface DeferralWait {
  /** What the error of the message says; undefined where it says nothing. */
  readonly retryAfterMs: number | undefined
  /** How often the message was received, this time included. */
  readonly receiveCount: number
  /** How long ago it was sent. */
  readonly ageMs: number
  /** Whether the queue gives it up when it is received too often. */
  readonly countsReceives: boolean
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
 * `backoffMs` at first. Those that may not come often, over twice as much with each receive in vain; others over half of
 * their age, so that the last of them are not much later than they have to be.
 */
export function deferralWaitMs(wait: DeferralWait): number {
  const { retryAfterMs, receiveCount, ageMs, countsReceives, backoffMs, random } = wait
  const doubledMs = backoffMs * 2 ** Math.min(receiveCount - 1, 10)
  const leastMs = Math.min(longestMs, retryAfterMs ?? doubledMs)
  const behindMs = countsReceives ? doubledMs : Math.max(backoffMs, ageMs / 2)
  const spreadMs = Math.max(leastMs / 4, retryAfterMs === undefined ? 0 : behindMs)
  return leastMs + random * Math.min(longestSpreadMs, spreadMs)
}
