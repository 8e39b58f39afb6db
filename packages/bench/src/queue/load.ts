/** What comes, what the provider allows, and what goes wrong. */

import type { Ticket } from './handlers/ticket.ts'

export interface QueueLoad {
  readonly messages: number
  readonly sandboxes: number
  /** What the provider allows. Twice as many messages come. */
  readonly requestsPerSecond: number
  /** How many seconds of that it allows at once. */
  readonly burstSeconds: number
  /** The longest that a call of Sluice waits in its sandbox, before its message goes back. */
  readonly maxWaitMs: number
  readonly maxReceiveCount: number
  /** Time-out of the function. */
  readonly timeoutMs: number
  readonly visibilityTimeoutSeconds: number
  /** Share of the calls that the provider fails. */
  readonly faultShare: number
  /** Share of the invocations whose sandbox dies. */
  readonly killShare: number
  /** Share of the messages that are delivered twice. */
  readonly duplicateShare: number
  /** Of so many messages one is broken, and belongs into the dead-letter queue. */
  readonly brokenEvery: number
}

export const wholeLoad: QueueLoad = {
  messages: 100_000,
  sandboxes: 50,
  requestsPerSecond: 100,
  burstSeconds: 60,
  maxWaitMs: 1_000,
  maxReceiveCount: 5,
  timeoutMs: 25_000,
  visibilityTimeoutSeconds: 30,
  faultShare: 0.02,
  killShare: 0.01,
  duplicateShare: 0.005,
  brokenEvery: 1_000,
}

/** Shows that the bench works. */
export const quickLoad: QueueLoad = {
  ...wholeLoad,
  messages: 1_000,
  sandboxes: 8,
  requestsPerSecond: 40,
  burstSeconds: 5,
  timeoutMs: 12_000,
  visibilityTimeoutSeconds: 12,
  brokenEvery: 200,
}

export function ticketsOf({ messages, brokenEvery }: QueueLoad): Ticket[] {
  return Array.from({ length: messages }, (_, at) => {
    const id = `ticket-${at}`
    if (at % brokenEvery === brokenEvery - 1) return { id }
    const text = `Classify as question, complaint or praise: my card ${at} never came, and nobody answers me.`
    return { id, text }
  })
}
