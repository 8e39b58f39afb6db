/** The calls that were made for each message, and those of them that nobody could have spared. */

import { type FaultRule, type FaultSubject, seededRandom } from 'sluice/local'

/** A call that the quota let in. */
export interface Call {
  readonly invocation: string
  /** The provider failed it. */
  readonly faulted: boolean
}

export interface Calls {
  /** Strikes so many of the calls, and writes all of them down. */
  readonly faults: readonly FaultRule[]
  readonly faulted: number
  of(message: string): readonly Call[]
}

const kinds: readonly FaultRule[] = [
  { fault: 'error', name: 'InternalServerException', status: 500 },
  { fault: 'error', name: 'ServiceUnavailableException', status: 503 },
  { fault: 'cut', code: 'INTERNAL_ERROR' },
]

export function recordCalls(faultShare: number): Calls {
  const random = seededRandom(1)
  const byMessage = new Map<string, Call[]>()
  let seen: FaultSubject | undefined
  let struckBy: FaultRule | undefined
  let faulted = 0

  /** All rules are asked about the same request, the first of them first. */
  function faultOf(subject: FaultSubject): FaultRule | undefined {
    if (subject === seen) return struckBy
    seen = subject
    struckBy = random() < faultShare ? kinds[Math.floor(random() * kinds.length)] : undefined
    if (struckBy) faulted += 1
    const { message = '', invocation = '' } = subject.metadata ?? {}
    const calls = byMessage.get(message) ?? []
    calls.push({ invocation, faulted: struckBy !== undefined })
    byMessage.set(message, calls)
    return struckBy
  }

  return {
    faults: kinds.map((kind) => ({ ...kind, when: (subject) => faultOf(subject) === kind })),
    get faulted() {
      return faulted
    },
    of: (message) => byMessage.get(message) ?? [],
  }
}

/**
 * How many calls an oracle would have needed for a message: one that knows the quota, asks for nothing twice that it has,
 * and is struck by the same faults and the same deaths.
 *
 * @param diedWithIt whether an invocation was killed before it had delivered the result of this message
 */
export function unavoidableCalls(
  calls: readonly Call[],
  diedWithIt: (invocation: string) => boolean,
): number {
  const good = calls.findIndex(({ invocation, faulted }) => !faulted && !diedWithIt(invocation))
  return good === -1 ? calls.length + 1 : good + 1
}
