/** The messages in an event of SQS. */

import { InvalidEventError } from '@sluice/core'
import type { SQSRecord } from 'aws-lambda'
import { fieldsOf, numberOf, recordsOf, textOf } from './values.ts'

export interface SqsMessage {
  readonly id: string
  readonly body: string
  /** Of its queue; absent in events that were made by hand. */
  readonly queueArn: string | undefined
  readonly receiptHandle: string | undefined
  /** How often it was received, this time included. */
  readonly receiveCount: number
  /** When it was sent, in milliseconds since the epoch. */
  readonly sentMs: number | undefined
  /** Only of a FIFO queue: a standard queue may have groups too, which are for fairness and not for order. */
  readonly group: string | undefined
  readonly record: SQSRecord
}

/** @throws InvalidEventError when it is no event of SQS */
export function sqsMessages(event: unknown): SqsMessage[] {
  return recordsOf(event, 'SQS').map((record) => {
    const { messageId, body, eventSourceARN, receiptHandle } = record
    const id = textOf(messageId)
    if (id === undefined || typeof body !== 'string') {
      throw new InvalidEventError('The event is none of SQS: a record has no id or no body.')
    }
    const attributes = fieldsOf(record.attributes)
    const queueArn = textOf(eventSourceARN)
    return {
      id,
      body,
      queueArn,
      receiptHandle: textOf(receiptHandle),
      receiveCount: numberOf(attributes.ApproximateReceiveCount) ?? 1,
      sentMs: numberOf(attributes.SentTimestamp),
      group: queueArn?.endsWith('.fifo') ? textOf(attributes.MessageGroupId) : undefined,
      record: record as unknown as SQSRecord,
    }
  })
}

/** Whether an event is one of SQS, for sources that take several kinds. */
export function isSqsEvent(event: unknown): boolean {
  const { Records } = fieldsOf(event)
  return Array.isArray(Records) && fieldsOf(Records[0]).eventSource === 'aws:sqs'
}
