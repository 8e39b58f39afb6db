/** The changes in an event of a DynamoDB stream. */

import { InvalidEventError } from '@sluice/core'
import type { DynamoDBRecord } from 'aws-lambda'
import { type Fields, fieldsOf, recordsOf, textOf } from './values.ts'

export interface DynamoDBChange {
  readonly sequenceNumber: string
  /** Equal for the changes of one item. */
  readonly item: string
  readonly record: DynamoDBRecord
}

/** @throws InvalidEventError when it is no event of a DynamoDB stream */
export function dynamoDBChanges(event: unknown): DynamoDBChange[] {
  return recordsOf(event, 'DynamoDB').map((record) => {
    const { SequenceNumber, Keys } = fieldsOf(record.dynamodb)
    const sequenceNumber = textOf(SequenceNumber)
    if (sequenceNumber === undefined) {
      throw new InvalidEventError('The event is none of DynamoDB: a record has no sequence number.')
    }
    return {
      sequenceNumber,
      item: itemOf(fieldsOf(Keys)),
      record: record as unknown as DynamoDBRecord,
    }
  })
}

/** A key is a text, a number or bytes, all of them written as texts. */
function itemOf(keys: Fields): string {
  const names = Object.keys(keys).sort()
  return JSON.stringify(
    names.map((name) => {
      const { S, N, B } = fieldsOf(keys[name])
      return [name, textOf(S), textOf(N), textOf(B)]
    }),
  )
}
