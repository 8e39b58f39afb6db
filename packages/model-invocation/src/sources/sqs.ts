/** The batches of a queue. */

import { InvalidEventError, outcomesById, type RecordOutcome, SluiceError, type Source } from '@sluice/core'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'

export interface SqsSourceOptions<Value> {
  /**
   * What a message holds. When it throws, this message has failed.
   *
   * @default the body, as text
   */
  readonly parse?: (body: string, record: SQSRecord) => Value | Promise<Value>
}

/**
 * Messages of SQS; those that are not done are reported, and come again. The event source mapping must have
 * `ReportBatchItemFailures`, or they are deleted with the others. The order of a FIFO queue is kept: a group is worked one
 * message after the other, up to the first that is not done.
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelStep, retry, sqsSource } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * export const handler = middy(
 *   modelStep({
 *     model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
 *     source: sqsSource(),
 *     prompt: (message) => `Summarise in one sentence:\n\n${message}`,
 *     deliver: (summary) => console.log(summary.length),
 *   }),
 * ).use(retry())
 * ```
 */
export function sqsSource<Value = string>({
  parse = (body) => body as Value,
}: SqsSourceOptions<Value> = {}): Source<SQSEvent, Value, SQSBatchResponse> {
  if (typeof parse !== 'function') {
    throw new TypeError(`sqsSource: parse is of type ${typeof parse}. Give a function of the body.`)
  }

  async function read(record: SQSRecord): Promise<Value> {
    try {
      return await parse(record.body, record)
    } catch (error) {
      throw SluiceError.is(error)
        ? error
        : new InvalidEventError('The body of the message could not be parsed.', { cause: error })
    }
  }

  return {
    records: (event) =>
      recordsOf(event).map((record) => ({
        id: record.messageId,
        group: groupOf(record),
        read: () => read(record),
      })),
    respond: (outcomes, event) => ({
      batchItemFailures: [...notDone(outcomes, event)].map((itemIdentifier) => ({ itemIdentifier })),
    }),
  }
}

function recordsOf(event: SQSEvent): SQSRecord[] {
  const records: unknown = event?.Records
  if (!Array.isArray(records) || !records.every(isMessage)) {
    throw new InvalidEventError('The event is no batch of SQS. Is the function mapped to a queue?')
  }
  return records
}

function isMessage(record: unknown): record is SQSRecord {
  const { messageId, body, eventSourceARN } = (record ?? {}) as Partial<Record<string, unknown>>
  const isText = [messageId, body, eventSourceARN ?? ''].every((value) => typeof value === 'string')
  return isText && messageId !== ''
}

/** A standard queue may have groups too, which are for fairness and not for order. */
function groupOf({ eventSourceARN, attributes }: SQSRecord): string | undefined {
  return eventSourceARN?.endsWith('.fifo') ? attributes?.MessageGroupId : undefined
}

/** Once each: Lambda takes a response that it does not understand for the failure of the whole batch. */
function notDone(outcomes: readonly RecordOutcome[], event: SQSEvent): Set<string> {
  const outcomeOf = outcomesById(outcomes)
  const ids = recordsOf(event).map(({ messageId }) => messageId)
  return new Set(ids.filter((id) => outcomeOf(id).status !== 'fulfilled'))
}
