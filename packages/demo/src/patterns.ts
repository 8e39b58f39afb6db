/** The ways of working that the demo shows, and what goes wrong in each. */
import { functions as machineFunctions } from '@sluice/example-step-functions/state-machine.ts'
import type { Fault, QuotaRule } from 'sluice/local'
import { asChats } from './send/chats.ts'
import { asDocuments } from './send/documents.ts'
import { asEvents, asLetters, asRequests } from './send/events.ts'
import { asExecutions } from './send/executions.ts'
import { throughQueue } from './send/queue.ts'
import type { Sender } from './send/sender.ts'

export interface Pattern {
  /** That of its example; of two in one example, the part after the comma tells them apart. */
  readonly name: string
  /** Those of one round run at the same time: mostly they wait. */
  readonly round: 1 | 2 | 3
  /** By the name that their sender uses. */
  readonly functions: Readonly<Record<string, { readonly handler: URL; readonly exportName?: string }>>
  /** For the functions, beside what all of them have. */
  readonly environment?: Readonly<Record<string, string>>
  /** What sends the messages to the functions by itself, where something does. */
  readonly trigger?: Trigger
  readonly send: Sender
  /** Sandboxes of each function, and messages on their way at once. */
  readonly concurrency: number
  /** Of the messages, this part goes through. */
  readonly share: number
  /** And no more than so many. */
  readonly most?: number
  /** Model calls for one message. An answer in a schema may be asked for once more, to be repaired. */
  readonly calls: number
  readonly hasSchema: boolean
  readonly maxTokens: number
  /** Has Sluice in it, and so an account of its own. */
  readonly guarded: boolean
  readonly faults: readonly Fault[]
  /** What the endpoint allows, where that is what the pattern is about. On AWS nobody can be asked to allow less. */
  readonly quota?: QuotaRule
  /** Its functions share a quota store. */
  readonly sharesQuota?: boolean
}

export type Trigger =
  | {
      readonly kind: 'queue'
      readonly visibilityTimeoutSeconds: number
      readonly maxReceiveCount: number
    }
  | { readonly kind: 'bucket' }

const throttle: Fault = { fault: 'throttle' }
const unavailable: Fault = { fault: 'error', name: 'ServiceUnavailableException', status: 503 }
const failing: Fault = { fault: 'error', name: 'InternalServerException', status: 500 }
const streamReset: Fault = { fault: 'cut', code: 'INTERNAL_ERROR' }
const connectionReset: Fault = { fault: 'cut' }
const brokenOff: Fault = { fault: 'cut', afterEvents: 8, code: 'INTERNAL_ERROR' }
const silent: Fault = { fault: 'stall' }

const refused = [throttle, unavailable, streamReset, throttle, failing] as const
const all = [...refused, connectionReset] as const
const fileOf = (path: string) => new URL(path, import.meta.url)
const handlerIn = (name: string) => ({ handler: { handler: fileOf(`./functions/${name}.ts`) } })

/** A function for which each message is an event and a call. */
const oneCall = { round: 1, share: 1, calls: 1, hasSchema: false, maxTokens: 20, faults: all } as const
const withSchema = { round: 2, hasSchema: true, guarded: true, faults: all } as const
/** More than the quota carries. */
const rush = { calls: 1, hasSchema: false, guarded: true, faults: [], share: 0.4, most: 60 } as const
const sharedQuota = { tokensPerMinute: 48_000, burstTokens: 4_000 } as const
const queueQuota = { requestsPerMinute: 600, burstRequests: 10 } as const
const sandboxesOfQueue = 2

const stateMachine = { handler: fileOf('./functions/step-functions.ts') }

export const patterns: readonly Pattern[] = [
  {
    ...oneCall,
    name: 'sdk-handler, before',
    functions: { handler: { handler: fileOf('../../../examples/sdk-handler/before.ts') } },
    send: asEvents,
    concurrency: 8,
    guarded: false,
  },
  {
    ...oneCall,
    name: 'sdk-handler, after',
    functions: handlerIn('sdk-handler'),
    send: asEvents,
    concurrency: 8,
    guarded: true,
  },
  {
    ...oneCall,
    name: 'sqs-batch',
    functions: handlerIn('sqs-batch'),
    trigger: { kind: 'queue', visibilityTimeoutSeconds: 5, maxReceiveCount: 3 },
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
    functions: handlerIn('api-inference'),
    send: asRequests,
    concurrency: 5,
    share: 0.4,
    calls: 1,
    maxTokens: 200,
  },
  {
    ...withSchema,
    name: 'step-functions',
    functions: {
      ...machineFunctions,
      'sluice-extract': { ...stateMachine, exportName: 'extract' },
      'sluice-classify': { ...stateMachine, exportName: 'classify' },
      'sluice-generate': { ...stateMachine, exportName: 'generate' },
    },
    send: asExecutions,
    concurrency: 2,
    share: 0.06,
    calls: 3,
    maxTokens: 300,
  },
  {
    ...withSchema,
    name: 's3-documents',
    functions: handlerIn('s3-documents'),
    trigger: { kind: 'bucket' },
    send: asDocuments,
    concurrency: 4,
    share: 0.12,
    calls: 1,
    maxTokens: 500,
  },
  {
    ...oneCall,
    name: 'chat-stream',
    functions: handlerIn('chat-stream'),
    send: asChats,
    concurrency: 3,
    share: 0.2,
    maxTokens: 1_000,
    guarded: true,
    // The second cannot be mended: what the reader has seen is not said again.
    faults: [silent, brokenOff, throttle],
  },
  {
    ...rush,
    round: 2,
    name: 'sqs-deferral',
    functions: handlerIn('sqs-deferral'),
    environment: {
      REQUESTS_PER_MINUTE: String(queueQuota.requestsPerMinute),
      BURST: String(queueQuota.burstRequests),
      SANDBOXES: String(sandboxesOfQueue),
    },
    trigger: { kind: 'queue', visibilityTimeoutSeconds: 90, maxReceiveCount: 5 },
    send: throughQueue,
    concurrency: sandboxesOfQueue,
    maxTokens: 60,
    quota: queueQuota,
  },
  {
    ...rush,
    round: 3,
    name: 'shared-quota, before',
    functions: handlerIn('shared-quota-before'),
    send: asLetters,
    concurrency: 6,
    maxTokens: 400,
    quota: sharedQuota,
  },
  {
    ...rush,
    round: 3,
    name: 'shared-quota, after',
    functions: handlerIn('shared-quota'),
    environment: {
      TOKENS_PER_MINUTE: String(sharedQuota.tokensPerMinute),
      BURST_TOKENS: String(sharedQuota.burstTokens),
    },
    send: asLetters,
    concurrency: 6,
    maxTokens: 400,
    quota: sharedQuota,
    sharesQuota: true,
  },
]

/** The folder of its example. */
export function exampleOf({ name }: Pick<Pattern, 'name'>): string {
  return name.split(',', 1)[0]!
}

/** The messages of a pattern: a part of all, evenly spread. */
export function shareOf(
  { share, most = Number.POSITIVE_INFINITY }: Pattern,
  texts: readonly string[],
): string[] {
  const count = Math.min(most, Math.max(1, Math.round(texts.length * share)))
  return Array.from({ length: count }, (_, index) => texts[Math.floor((index * texts.length) / count)]!)
}
