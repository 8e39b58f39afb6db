/** The ways of working that the demo shows, and what goes wrong in each. */
import type { Fault } from 'sluice/local'

export interface Pattern {
  readonly name: string
  readonly handler: URL
  /** `event`: each message is one event. `queue`: messages come in batches from a queue. */
  readonly source: 'event' | 'queue'
  /** Sandboxes at once. */
  readonly concurrency: number
  /** Has Sluice in it, and so an account of its own. */
  readonly guarded: boolean
  readonly faults: readonly Fault[]
}

const throttle: Fault = { fault: 'throttle' }
const unavailable: Fault = { fault: 'error', name: 'ServiceUnavailableException', status: 503 }
const failing: Fault = { fault: 'error', name: 'InternalServerException', status: 500 }
const streamReset: Fault = { fault: 'cut', code: 'INTERNAL_ERROR' }
const connectionReset: Fault = { fault: 'cut' }

const refused = [throttle, unavailable, streamReset, throttle, failing] as const
const example = (path: string) => new URL(`../../../examples/${path}`, import.meta.url)

export const patterns: readonly Pattern[] = [
  {
    name: 'sdk-handler, before',
    handler: example('sdk-handler/before.ts'),
    source: 'event',
    concurrency: 8,
    guarded: false,
    faults: [...refused, connectionReset],
  },
  {
    name: 'sdk-handler, after',
    handler: example('sdk-handler/after.ts'),
    source: 'event',
    concurrency: 8,
    guarded: true,
    faults: [...refused, connectionReset],
  },
  {
    name: 'sqs-batch',
    handler: example('sqs-batch/handler.ts'),
    source: 'queue',
    concurrency: 2,
    guarded: true,
    // The calls of a batch share a connection. Reset, it takes the bystanders with it, and among them answers that
    // the endpoint has sent and nobody has read: no account could tell those to the token.
    faults: refused,
  },
]
