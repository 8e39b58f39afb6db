/** One arm: all messages through one function, from the first sent to the last that is done or given up. */

import { setTimeout as sleepFor } from 'node:timers/promises'
import type { LocalQueue } from 'sluice/local'
import { type Cloud, startCloud } from './cloud.ts'
import type { Ticket } from './handlers/ticket.ts'
import { type QueueLoad, ticketsOf } from './load.ts'
import { type Tally, tally } from './tally.ts'

const arms = {
  sluice: new URL('./handlers/sluice.ts', import.meta.url),
  naive: new URL('./handlers/naive.ts', import.meta.url),
} as const
export type QueueArm = keyof typeof arms

export interface ArmResult extends Tally {
  readonly seconds: number
  /** Messages sent in a second. */
  readonly sentPerSecond: number
  /** What really happened of what was asked for. */
  readonly shares: { readonly faults: number; readonly kills: number; readonly duplicates: number }
  readonly invocations: number
  /** Invocations that failed although nobody killed their sandbox: their time was over. */
  readonly timedOut: number
  /** How often a message was delivered to a function. */
  readonly deliveriesPerMessage: number
  /** Calls that the provider refused for lack of quota. */
  readonly throttled: number
}

const progressEveryMs = 15_000

export async function runArm(
  arm: QueueArm,
  load: QueueLoad,
  progress: (line: string) => void = () => {},
): Promise<ArmResult> {
  progress(`${arm}: starting ${load.sandboxes} sandboxes`)
  const cloud = await startCloud(arms[arm], load)
  const reporting = setInterval(() => progress(`${arm}: ${stateOf(cloud)}`), progressEveryMs)
  try {
    const tickets = ticketsOf(load)
    const startedAt = performance.now()
    const secondsSince = () => (performance.now() - startedAt) / 1_000
    await send(cloud.queue, tickets, 2 * load.requestsPerSecond)
    const sentPerSecond = tickets.length / secondsSince()
    await cloud.queue.settled()
    return { ...(await outcomeOf(cloud, tickets)), seconds: secondsSince(), sentPerSecond }
  } finally {
    clearInterval(reporting)
    await cloud.close()
  }
}

function stateOf({ queue, bedrock, killed }: Cloud): string {
  const { succeeded, events, failedEvents, duplicates } = queue.counters()
  const { requests, outcomes } = bedrock.counters()
  return (
    `${succeeded} deliveries done, ${requests} calls (${outcomes.throttled ?? 0} refused), ` +
    `${events} invocations, ${failedEvents} failed, ${killed.size} killed, ${duplicates} duplicates`
  )
}

async function outcomeOf(
  { queue, bedrock, calls, reasons, killed, results }: Cloud,
  tickets: readonly Ticket[],
): Promise<Omit<ArmResult, 'seconds' | 'sentPerSecond'>> {
  await bedrock.idle()
  const { requests, outcomes } = bedrock.counters()
  const { events, failedEvents, records, duplicates } = queue.counters()
  const admitted = tickets.reduce((sum, { id }) => sum + calls.of(id).length, 0)
  const evidence = { tickets, deadLetters: await queue.deadLetters(), reasons, calls, killed, requests }
  return {
    ...tally({ ...evidence, results: await results() }),
    shares: {
      faults: calls.faulted / admitted,
      kills: killed.size / events,
      duplicates: duplicates / (records - duplicates),
    },
    invocations: events,
    // One that has answered already is killed, and did not fail.
    timedOut: Math.max(0, failedEvents - killed.size),
    deliveriesPerMessage: records / tickets.length,
    throttled: outcomes.throttled ?? 0,
  }
}

const tickMs = 50

/** Sends at a steady rate, and makes up for what came late. */
async function send(queue: LocalQueue, tickets: readonly Ticket[], perSecond: number): Promise<void> {
  const startedAt = performance.now()
  for (let sent = 0; sent < tickets.length; ) {
    await sleepFor(tickMs)
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000)
    const bodies = tickets.slice(sent, due).map((each) => JSON.stringify(each))
    sent += bodies.length
    // A request takes ten messages.
    const requests = Array.from({ length: Math.ceil(bodies.length / 10) }, (_, at) =>
      queue.send(bodies.slice(at * 10, at * 10 + 10)),
    )
    await Promise.all(requests)
  }
}
