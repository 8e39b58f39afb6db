/** What became of all messages. */

import type { StoredMessage } from 'sluice/local'
import { type Calls, unavoidableCalls } from './calls.ts'
import type { Ticket } from './handlers/ticket.ts'
import { isForQuota, type Reasons } from './reasons.ts'

export interface Evidence {
  readonly tickets: readonly Ticket[]
  /** `ticket invocation` for each result that was delivered. */
  readonly results: readonly string[]
  readonly deadLetters: readonly StoredMessage[]
  readonly reasons: Pick<Reasons, 'of'>
  readonly calls: Pick<Calls, 'of'>
  /** Invocations whose sandbox was killed. */
  readonly killed: ReadonlySet<string>
  /** Calls that arrived at the endpoint, whatever it answered. */
  readonly requests: number
}

export interface Tally {
  readonly messages: number
  /** Messages that have a result. */
  readonly results: number
  /** Messages that have none, and lie in the dead-letter queue. */
  readonly deadLettered: number
  /** Dead letters whose last failure was a lack of quota. */
  readonly deadLetteredForQuota: number
  /** Messages that are nowhere. */
  readonly lost: number
  /** Messages with more than one result. */
  readonly duplicated: number
  readonly callsPerMessage: number
  /** The calls of an oracle, per message. */
  readonly floor: number
  /** Dead letters by their reason. */
  readonly reasons: Readonly<Record<string, number>>
  /** Dead letters of messages that have a result: a copy, or a second delivery. */
  readonly deadAndDone: number
}

export function tally({ tickets, results, deadLetters, reasons, calls, killed, requests }: Evidence): Tally {
  const delivered = new Set(results)
  const resultsOf = new Map<string, number>()
  for (const result of results) {
    const ticket = result.slice(0, result.indexOf(' '))
    resultsOf.set(ticket, (resultsOf.get(ticket) ?? 0) + 1)
  }
  const dead = new Set(deadLetters.map(({ body }) => (JSON.parse(body) as { readonly id: string }).id))
  const why = deadLetters.map(({ messageId }) => reasons.of(messageId))
  const open = tickets.filter(({ id }) => !resultsOf.has(id))
  const lost = open.filter(({ id }) => !dead.has(id)).length
  const neededFor = ({ id, text }: Ticket) =>
    text === undefined
      ? 0
      : unavoidableCalls(
          calls.of(id),
          (invocation) => killed.has(invocation) && !delivered.has(`${id} ${invocation}`),
        )
  const floor = tickets.reduce((sum, ticket) => sum + neededFor(ticket), 0)
  return {
    messages: tickets.length,
    results: resultsOf.size,
    deadLettered: open.length - lost,
    deadLetteredForQuota: why.filter(isForQuota).length,
    lost,
    duplicated: [...resultsOf.values()].filter((count) => count > 1).length,
    callsPerMessage: requests / tickets.length,
    floor: floor / tickets.length,
    reasons: Object.fromEntries(
      Object.entries(Object.groupBy(why, (reason) => reason ?? 'unknown')).map(([reason, all]) => [
        reason,
        all?.length ?? 0,
      ]),
    ),
    deadAndDone: [...dead].filter((ticket) => resultsOf.has(ticket)).length,
  }
}
