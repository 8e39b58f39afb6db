/** The ways of working that the demo shows, and what goes wrong in each. */
import { functions as machineFunctions } from '@sluice/example-step-functions/state-machine.ts'
import type { Fault } from 'sluice/local'
import { asDocuments } from './send/documents.ts'
import { asEvents, asRequests } from './send/events.ts'
import { asExecutions } from './send/executions.ts'
import { throughQueue } from './send/queue.ts'
import type { Sender } from './send/sender.ts'

export interface Pattern {
  readonly name: string
  /** Those of one round run at the same time: mostly they wait. */
  readonly round: 1 | 2
  /** By the name that their sender uses. */
  readonly functions: Readonly<Record<string, { readonly handler: URL }>>
  /** What sends the messages to the functions by itself, where something does. */
  readonly trigger?: 'queue' | 'bucket'
  readonly send: Sender
  /** Sandboxes of each function, and messages on their way at once. */
  readonly concurrency: number
  /** Of the messages, this part goes through. */
  readonly share: number
  /** Model calls for one message. An answer in a schema may be asked for once more, to be repaired. */
  readonly calls: number
  readonly hasSchema: boolean
  readonly maxTokens: number
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
const all = [...refused, connectionReset] as const
const example = (path: string) => ({ handler: new URL(`../../../examples/${path}`, import.meta.url) })

/** A function for which each message is an event and a call. */
const oneCall = { round: 1, share: 1, calls: 1, hasSchema: false, maxTokens: 20, faults: all } as const
const withSchema = { round: 2, hasSchema: true, guarded: true, faults: all } as const

export const patterns: readonly Pattern[] = [
  {
    ...oneCall,
    name: 'sdk-handler, before',
    functions: { handler: example('sdk-handler/before.ts') },
    send: asEvents,
    concurrency: 8,
    guarded: false,
  },
  {
    ...oneCall,
    name: 'sdk-handler, after',
    functions: { handler: example('sdk-handler/after.ts') },
    send: asEvents,
    concurrency: 8,
    guarded: true,
  },
  {
    ...oneCall,
    name: 'sqs-batch',
    functions: { handler: example('sqs-batch/handler.ts') },
    trigger: 'queue',
    send: throughQueue,
    concurrency: 2,
    guarded: true,
    // The calls of a batch share a connection. Reset, it takes the bystanders with it, and among them answers that
    // the endpoint has sent and nobody has read: no account could tell those to the token.
    faults: refused,
  },
  {
    ...withSchema,
    name: 'api-inference',
    functions: { handler: example('api-inference/handler.ts') },
    send: asRequests,
    concurrency: 5,
    share: 0.4,
    calls: 1,
    maxTokens: 200,
  },
  {
    ...withSchema,
    name: 'step-functions',
    functions: machineFunctions,
    send: asExecutions,
    concurrency: 2,
    share: 0.06,
    calls: 3,
    maxTokens: 300,
  },
  {
    ...withSchema,
    name: 's3-documents',
    functions: { handler: example('s3-documents/handler.ts') },
    trigger: 'bucket',
    send: asDocuments,
    concurrency: 4,
    share: 0.12,
    calls: 1,
    maxTokens: 500,
  },
]

/** The messages of a pattern: a part of all, evenly spread. */
export function shareOf({ share }: Pattern, texts: readonly string[]): string[] {
  const count = Math.max(1, Math.round(texts.length * share))
  return Array.from({ length: count }, (_, index) => texts[Math.floor((index * texts.length) / count)]!)
}
