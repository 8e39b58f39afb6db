/** Where the time of one call went. */

/** Milliseconds by what they were spent on. */
export interface SpentMs {
  /** From the beginning of the invocation to the call: befores, other records, other work. */
  readonly queue: number
  /** Between the call, or a retry, and its sending: the wait for quota. */
  readonly quota: number
  /** Between one attempt and the next. */
  readonly retry: number
  /** From sending to the first content of a stream, or to the whole of any other answer; over all attempts. */
  readonly firstContent: number
  /** From the first content on. */
  readonly stream: number
}

/** What a call may be at. */
export type Phase = Exclude<keyof SpentMs, 'queue'>

export interface Stopwatch {
  /** From now on time is spent on `phase`. */
  enter(phase: Phase, nowMs: number): void
  /** @param at - What the time since the last `enter` went to, if it is known better now. */
  read(nowMs: number, at?: Phase): SpentMs
}

/** Begins with the wait for quota: whatever comes before the first sending. */
export function stopwatch(queueMs: number, startedAtMs: number): Stopwatch {
  const spent = { queue: queueMs, quota: 0, retry: 0, firstContent: 0, stream: 0 }
  let phase: Phase = 'quota'
  let sinceMs = startedAtMs
  return {
    enter(next, nowMs) {
      spent[phase] += nowMs - sinceMs
      phase = next
      sinceMs = nowMs
    },
    read: (nowMs, at = phase) => ({ ...spent, [at]: spent[at] + nowMs - sinceMs }),
  }
}
