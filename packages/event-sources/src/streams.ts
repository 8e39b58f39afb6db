/** Records of streams, which are handed back by position. */

import { outcomesById, type RecordOutcome, readWith, type StandardSchema } from '@sluice/core'
import type {
  DynamoDBBatchResponse,
  DynamoDBRecord,
  DynamoDBStreamEvent,
  KinesisStreamBatchResponse,
  KinesisStreamEvent,
  KinesisStreamRecord,
} from 'aws-lambda'
import { type AnsweringSource, answering } from './as-middleware.ts'
import { dynamoDBChanges } from './parse/dynamodb-event.ts'
import { kinesisData } from './parse/kinesis-event.ts'
import { checkReading, guarded, textReader } from './read-value.ts'

export interface KinesisStreamOptions<Value> {
  /**
   * What a record holds, of its data as text. When it throws, this record has failed.
   *
   * @default the data: parsed as JSON where there is a schema, else as text
   */
  readonly parse?: (data: string, record: KinesisStreamRecord) => Value | Promise<Value>
  /** What it must be. */
  readonly schema?: StandardSchema<Value>
}

/**
 * Records of a Kinesis data stream. Those of one partition key are worked one after the other. From the first record that
 * is not done on everything comes again, so that nothing after it is begun: the shard stands still until that record is
 * done, is too old, or has been tried too often. Set `ReportBatchItemFailures`, `MaximumRetryAttempts` and a destination
 * for failures on the event source mapping.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { kinesisStream } from '@sluice/event-sources'
 *
 * export const handler = kinesisStream().handler((text) => console.log(text.length))
 * ```
 */
export function kinesisStream<Value = string>({
  parse,
  schema,
}: KinesisStreamOptions<Value> = {}): AnsweringSource<KinesisStreamEvent, Value, KinesisStreamBatchResponse> {
  const read = textReader('kinesisStream', 'The data of the record', parse, schema)
  return answering({
    checkpoints: true,
    records: (event) =>
      kinesisData(event).map(({ sequenceNumber, partitionKey, data, record }) => ({
        id: sequenceNumber,
        group: partitionKey,
        read: () => read(Buffer.from(data).toString(), record),
      })),
    respond: (outcomes, event) => checkpoint(outcomes, kinesisData(event)),
  })
}

export interface DynamoDBStreamOptions<Value> {
  /**
   * What a change holds. When it throws, this change has failed.
   *
   * @default the record, with its values as DynamoDB writes them
   */
  readonly parse?: (record: DynamoDBRecord) => Value | Promise<Value>
  /** What it must be. */
  readonly schema?: StandardSchema<Value>
}

/**
 * Changes of a DynamoDB table. Those of one item are worked one after the other; for the rest it is as `kinesisStream()`.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { dynamoDBStream } from '@sluice/event-sources'
 *
 * export const handler = dynamoDBStream().handler(({ eventName }) => console.log(eventName))
 * ```
 */
export function dynamoDBStream<Value = DynamoDBRecord>({
  parse,
  schema,
}: DynamoDBStreamOptions<Value> = {}): AnsweringSource<DynamoDBStreamEvent, Value, DynamoDBBatchResponse> {
  checkReading('dynamoDBStream', parse, schema)

  async function read(record: DynamoDBRecord): Promise<Value> {
    const value = await guarded('The change', () => (parse ? parse(record) : record))
    return schema ? readWith(schema, value) : (value as Value)
  }

  return answering({
    checkpoints: true,
    records: (event) =>
      dynamoDBChanges(event).map(({ sequenceNumber, item, record }) => ({
        id: sequenceNumber,
        group: item,
        read: () => read(record),
      })),
    respond: (outcomes, event) => checkpoint(outcomes, dynamoDBChanges(event)),
  })
}

/** Lambda goes on from the lowest of them. */
function checkpoint(
  outcomes: readonly RecordOutcome[],
  records: readonly { readonly sequenceNumber: string }[],
): { batchItemFailures: { itemIdentifier: string }[] } {
  const outcomeOf = outcomesById(outcomes)
  const ids = new Set(records.map(({ sequenceNumber }) => sequenceNumber))
  const notDone = [...ids].filter((id) => outcomeOf(id).status !== 'fulfilled')
  return { batchItemFailures: notDone.map((itemIdentifier) => ({ itemIdentifier })) }
}
