import { setTimeout as sleepFor } from 'node:timers/promises'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type MessageAttributeValue,
  SendMessageBatchCommand,
} from '@aws-sdk/client-sqs'
import {
  type EventSourceMappingCounters,
  type EventSourceMappingOptions,
  startEventSourceMapping,
} from './event-source-mapping.ts'
import type { LocalFunction } from './lambda/function.ts'
import type { StorageServer, StoredMessage } from './storage-server.ts'

export interface QueueDefinition<FunctionName extends string = string> extends EventSourceMappingOptions {
  /** The function that consumes the queue; without one it only holds messages. */
  readonly function?: FunctionName
  /** @default 30 */
  readonly visibilityTimeoutSeconds?: number
  /** A message received more often goes to the dead-letter queue. @default never */
  readonly maxReceiveCount?: number
  /** Ordered by group, deduplicated by content; its name on SQS ends in `.fifo`. @default false */
  readonly fifo?: boolean
}

/** A message to send: its body, or all of it. */
export type OutgoingMessage =
  | string
  | {
      readonly body: string
      readonly attributes?: Record<string, MessageAttributeValue>
      readonly groupId?: string
      readonly delaySeconds?: number
    }

export interface LocalQueue {
  readonly name: string
  readonly url: string
  readonly arn: string
  /** Sends any number of messages, ten a request. Returns their ids in order. */
  send(messages: readonly OutgoingMessage[], options?: { signal?: AbortSignal }): Promise<string[]>
  /** Resolves when nothing is visible, delayed or in flight: every message is deleted or given up. */
  settled(options?: { signal?: AbortSignal }): Promise<void>
  /** The messages that were given up. */
  deadLetters(): Promise<readonly StoredMessage[]>
  /** The account of the event source mapping. */
  counters(): EventSourceMappingCounters
  close(): Promise<void>
}

const looksEveryMs = 20

export async function startQueue(
  key: string,
  definition: QueueDefinition,
  storage: StorageServer,
  target: LocalFunction | undefined,
): Promise<LocalQueue> {
  const { visibilityTimeoutSeconds = 30, maxReceiveCount, fifo = false } = definition
  const { sqs } = storage
  const suffix = fifo ? '.fifo' : ''
  const name = `${key}${suffix}`
  const deadLetterName = `${key}-dead-letters${suffix}`

  async function create(QueueName: string, attributes: Record<string, string>) {
    const Attributes = {
      ...attributes,
      ...(fifo && { FifoQueue: 'true', ContentBasedDeduplication: 'true' }),
    }
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }))
    const { QueueArn: arn = '' } = await attributesOf(QueueUrl, ['QueueArn'])
    return { url: QueueUrl, arn }
  }

  async function attributesOf(QueueUrl: string, AttributeNames: QueueAttributeName[], signal?: AbortSignal) {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames })
    const { Attributes = {} } = await sqs.send(command, signal ? { abortSignal: signal } : {})
    return Attributes
  }

  const deadLetter = maxReceiveCount === undefined ? undefined : await create(deadLetterName, {})
  const { url, arn } = await create(name, {
    VisibilityTimeout: String(visibilityTimeoutSeconds),
    ...(deadLetter && {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLetter.arn, maxReceiveCount }),
    }),
  })
  const mapping = target && startEventSourceMapping({ sqs, queueUrl: url, queueArn: arn }, target, definition)

  async function isEmpty(signal: AbortSignal | undefined): Promise<boolean> {
    const counts = await attributesOf(url, messageCounts, signal)
    return Object.values(counts).every((count) => count === '0')
  }

  return {
    name,
    url,
    arn,
    async send(messages, { signal } = {}) {
      const ids: string[] = []
      for (const batch of batches(messages.map((message) => entry(message, fifo)))) {
        const command = new SendMessageBatchCommand({ QueueUrl: url, Entries: batch })
        const { Successful = [], Failed = [] } = await sqs.send(
          command,
          signal ? { abortSignal: signal } : {},
        )
        if (Failed[0]) throw new Error(`The queue ${name} refused a message: ${Failed[0].Message}`)
        ids.push(...Successful.map(({ MessageId = '' }) => MessageId))
      }
      return ids
    },
    async settled({ signal } = {}) {
      // Subscribed before the first look, so that no change is missed between the two.
      let changed = Promise.withResolvers<void>()
      const onChange = () => changed.resolve()
      const onAbort = () => changed.reject(signal?.reason)
      storage.changes.on('queue', onChange)
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        signal?.throwIfAborted()
        while (!(await isEmpty(signal))) {
          await changed.promise
          // A busy queue changes with every request: looking each time would be most of its work.
          await sleepFor(looksEveryMs, undefined, signal && { signal })
          changed = Promise.withResolvers<void>()
        }
      } catch (error) {
        // The SDK and the timer have words of their own for it.
        signal?.throwIfAborted()
        throw error
      } finally {
        changed.promise.catch(() => {})
        storage.changes.off('queue', onChange)
        signal?.removeEventListener('abort', onAbort)
      }
    },
    deadLetters: async () => (deadLetter ? storage.inspect(deadLetterName) : []),
    counters: () =>
      mapping?.counters() ?? {
        events: 0,
        records: 0,
        duplicates: 0,
        succeeded: 0,
        failed: 0,
        failedEvents: 0,
      },
    async close() {
      await mapping?.close()
    },
  }
}

type QueueAttributeName = NonNullable<
  ConstructorParameters<typeof GetQueueAttributesCommand>[0]['AttributeNames']
>[number]

const messageCounts: QueueAttributeName[] = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesDelayed',
  'ApproximateNumberOfMessagesNotVisible',
]

function entry(message: OutgoingMessage, fifo: boolean) {
  const whole: Exclude<OutgoingMessage, string> = typeof message === 'string' ? { body: message } : message
  return {
    Id: '',
    MessageBody: whole.body,
    MessageAttributes: whole.attributes,
    DelaySeconds: whole.delaySeconds,
    MessageGroupId: whole.groupId ?? (fifo ? 'default' : undefined),
  }
}

const maxBatchBytes = 1_000_000

/** SQS takes ten messages and one megabyte in a request. */
function* batches<Entry extends { MessageBody: string }>(entries: readonly Entry[]): Generator<Entry[]> {
  let batch: Entry[] = []
  let bytes = 0
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.MessageBody)
    if (batch.length === 10 || (batch.length > 0 && bytes + size > maxBatchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push({ ...entry, Id: String(batch.length) })
    bytes += size
  }
  if (batch.length > 0) yield batch
}
