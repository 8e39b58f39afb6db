/** The messages of a queue. */

import { outcomesById, type RecordOutcome, type StandardSchema } from '@sluice/core'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { type AnsweringSource, answering } from './as-middleware.ts'
import { bridgeEvent } from './parse/event-bridge-event.ts'
import { snsNotificationIn } from './parse/sns-event.ts'
import { type SqsMessage, sqsMessages } from './parse/sqs-event.ts'
import { parseJson } from './parse/values.ts'
import { PayloadTooLargeError } from './payload-too-large-error.ts'
import { textReader } from './read-value.ts'
import { type SqsDeferralOptions, sqsDeferral } from './sqs-deferral.ts'

export interface SqsBatchOptions<Value> extends SqsDeferralOptions {
  /**
   * What a message holds. When it throws, this message has failed.
   *
   * @default the body: parsed as JSON where there is a schema, else as text
   */
  readonly parse?: (body: string, record: SQSRecord) => Value | Promise<Value>
  /** What it must be. A message that does not fit has failed, and its error tells where it does not. */
  readonly schema?: StandardSchema<Value>
  /**
   * What the body is wrapped in; it is taken off. A topic with raw delivery wraps nothing.
   *
   * @default nothing
   */
  readonly envelope?: 'sns' | 'eventBridge'
  /**
   * A message with a larger body has failed.
   *
   * @default 1_048_576, the most that SQS takes
   */
  readonly maxBytes?: number
}

/**
 * Messages of SQS, each of which succeeds, fails or is deferred alone. Those that are not done are reported and come
 * again; a deferred one when its error says so, by its visibility time-out. The event source mapping must have
 * `ReportBatchItemFailures`, or all are deleted. The order of a FIFO queue is kept: a group is worked one message after
 * the other, up to the first that is not done.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { sqsBatch } from '@sluice/event-sources'
 * import { modelStep, retry } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * const tickets = sqsBatch()
 *
 * export const handler = middy(
 *   modelStep({
 *     model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
 *     source: tickets,
 *     prompt: (ticket) => `Summarise in one sentence:\n\n${ticket}`,
 *     deliver: (summary) => console.log(summary.length),
 *   }),
 * )
 *   .use(tickets)
 *   .use(retry())
 * ```
 */
export function sqsBatch<Value = string>({
  parse,
  schema,
  envelope,
  maxBytes = 1_048_576,
  ...deferring
}: SqsBatchOptions<Value> = {}): AnsweringSource<SQSEvent, Value, SQSBatchResponse> {
  const readText = textReader('sqsBatch', 'The body of the message', parse, schema)
  if (envelope !== undefined && !Object.hasOwn(unwrap, envelope)) {
    throw new TypeError(`sqsBatch: envelope is '${String(envelope)}'. Give 'sns' or 'eventBridge'.`)
  }
  if (!(maxBytes > 0))
    throw new TypeError(`sqsBatch: maxBytes is ${String(maxBytes)}. Give a number above 0.`)
  const defer = sqsDeferral('sqsBatch', deferring)

  async function read({ body, record }: SqsMessage): Promise<Value> {
    if (Buffer.byteLength(body) > maxBytes) throw new PayloadTooLargeError('The message', maxBytes)
    return readText(envelope ? unwrap[envelope](body) : body, record)
  }

  return answering({
    records: (event) =>
      sqsMessages(event).map((message) => ({
        id: message.id,
        group: message.group,
        read: () => read(message),
      })),
    finish: (outcomes, event, context) => defer(outcomes, sqsMessages(event), context),
    respond: sqsResponse,
  })
}

const unwrap: Readonly<Record<'sns' | 'eventBridge', (body: string) => string>> = {
  sns: (body) => snsNotificationIn(body).message,
  eventBridge: (body) => JSON.stringify(bridgeEvent(parseJson(body, 'The event of EventBridge')).detail),
}

/** Once each: Lambda takes a response that it does not understand for the failure of the whole batch. */
export function sqsResponse(outcomes: readonly RecordOutcome[], event: unknown): SQSBatchResponse {
  const outcomeOf = outcomesById(outcomes)
  const ids = new Set(sqsMessages(event).map(({ id }) => id))
  const notDone = [...ids].filter((id) => {
    const outcome = outcomeOf(id)
    return outcome.status !== 'fulfilled' && !outcome.orderedAgain
  })
  return { batchItemFailures: notDone.map((itemIdentifier) => ({ itemIdentifier })) }
}
