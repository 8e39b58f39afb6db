import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandOutput,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import { seededRandom } from './bedrock/clock.ts'
import type { InvokeResult, LocalFunction } from './lambda/function.ts'
import { sqsEvent } from './sqs-event.ts'

export interface EventSourceMappingOptions {
  /** Messages per event at most; above 10 it needs a window. @default 10 */
  readonly batchSize?: number
  /** How long to wait for a full batch. @default 0 */
  readonly windowMs?: number
  /** Events at once. @default 5, where AWS starts too, within the function's capacity */
  readonly maximumConcurrency?: number
  /** Take `batchItemFailures` out of the answer. Without it an answer means that every record is done. @default false */
  readonly reportBatchItemFailures?: boolean
  /** Share of the messages, from 0 to 1, that come a second time soon, as delivery is at least once. @default 0 */
  readonly duplicateShare?: number
}

/** What happened to the batches so far. */
export interface EventSourceMappingCounters {
  readonly events: number
  readonly records: number
  /** Second deliveries among them. */
  readonly duplicates: number
  /** Deleted from the queue. */
  readonly succeeded: number
  /** Left to the visibility time-out, by partial failures and by failed events. */
  readonly failed: number
  /** Events whose function failed, or whose answer was not a valid one. */
  readonly failedEvents: number
}

export interface EventSourceMapping {
  counters(): EventSourceMappingCounters
  /** Stops polling and waits for no event under way: its messages stay in flight. */
  close(): Promise<void>
}

export interface EventSource {
  readonly sqs: SQSClient
  readonly queueUrl: string
  readonly queueArn: string
}

/** Does what Lambda's event source mapping does between a queue and a function, over the real SQS API. */
export function startEventSourceMapping(
  { sqs, queueUrl, queueArn }: EventSource,
  target: LocalFunction,
  {
    batchSize = 10,
    windowMs = 0,
    maximumConcurrency = Math.min(5, target.capacity),
    reportBatchItemFailures = false,
    duplicateShare = 0,
  }: EventSourceMappingOptions,
): EventSourceMapping {
  const stop = new AbortController()
  const random = seededRandom(1)
  /** Delivered once, and still to be delivered again. */
  const twice: Message[] = []
  const counters = { events: 0, records: 0, duplicates: 0, succeeded: 0, failed: 0, failedEvents: 0 }

  async function receive(maxMessages: number, waitSeconds: number): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: Math.min(10, maxMessages),
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    })
    const { Messages = [] }: ReceiveMessageCommandOutput = await sqs.send(command, {
      abortSignal: stop.signal,
    })
    twice.push(...Messages.filter(() => random() < duplicateShare))
    return Messages
  }

  async function collectBatch(): Promise<Message[]> {
    const batch = twice.splice(0, batchSize)
    counters.duplicates += batch.length
    if (batch.length > 0) return batch
    batch.push(...(await receive(batchSize, 20)))
    const closesAt = performance.now() + windowMs
    while (batch.length > 0 && batch.length < batchSize) {
      const leftMs = closesAt - performance.now()
      if (leftMs <= 0) break
      batch.push(...(await receive(batchSize - batch.length, Math.min(20, leftMs / 1000))))
    }
    return batch
  }

  async function deliver(batch: readonly Message[]): Promise<void> {
    const result = await invoke(batch)
    if (result === 'too large') {
      const half = Math.ceil(batch.length / 2)
      await deliver(batch.slice(0, half))
      await deliver(batch.slice(half))
      return
    }
    const failed = reportBatchItemFailures ? failedMessages(result, batch) : result.error && 'all'
    const done = failed === 'all' ? [] : batch.filter(({ MessageId }) => !failed?.has(MessageId ?? ''))
    for (let start = 0; start < done.length; start += 10) await remove(done.slice(start, start + 10))
    counters.events += 1
    counters.records += batch.length
    counters.succeeded += done.length
    counters.failed += batch.length - done.length
    if (failed === 'all') counters.failedEvents += 1
  }

  async function invoke(batch: readonly Message[]): Promise<InvokeResult | 'too large'> {
    try {
      return await target.invoke(sqsEvent(batch, queueArn), { signal: stop.signal })
    } catch (error) {
      // Ten messages of 1 MB each can be received at once, but not sent to a function in one event.
      if (error instanceof RangeError && batch.length > 1) return 'too large'
      throw error
    }
  }

  async function remove(messages: readonly Message[]): Promise<void> {
    const Entries = messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }))
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }))
  }

  async function poll(): Promise<void> {
    while (!stop.signal.aborted) {
      const batch = await collectBatch()
      if (batch.length > 0) await deliver(batch)
    }
  }

  // Each poller has one event under way at most, so their number is the concurrency.
  const pollers = Array.from({ length: maximumConcurrency }, () =>
    poll().catch((error: unknown) => {
      if (!stop.signal.aborted) throw error
    }),
  )
  return {
    counters: () => ({ ...counters }),
    async close() {
      stop.abort()
      await Promise.all(pollers)
    },
  }
}

/**
 * The records to retry, by Lambda's rules: an answer without failures is a success, and one that names a record
 * that was not in the event, or none, fails the whole event.
 */
function failedMessages(
  { error, payload }: InvokeResult,
  batch: readonly Message[],
): ReadonlySet<string> | 'all' | undefined {
  if (error) return 'all'
  if (payload === null || payload === undefined) return undefined
  if (typeof payload !== 'object') return 'all'
  const { batchItemFailures } = payload as { batchItemFailures?: unknown }
  if (batchItemFailures === null || batchItemFailures === undefined) return undefined
  if (!Array.isArray(batchItemFailures)) return 'all'
  const known = new Set(batch.map(({ MessageId }) => MessageId))
  const failed = batchItemFailures.map((failure) => failure?.itemIdentifier)
  return failed.every((id) => known.has(id)) ? new Set<string>(failed) : 'all'
}
