/** The records in an event of a Kinesis data stream. */

import { InvalidEventError } from '@sluice/core'
import type { KinesisStreamRecord } from 'aws-lambda'
import { fieldsOf, numberOf, recordsOf, textOf } from './values.ts'

export interface KinesisData {
  readonly sequenceNumber: string
  readonly partitionKey: string | undefined
  readonly data: Uint8Array
  readonly arrivedMs: number | undefined
  readonly record: KinesisStreamRecord
}

/** @throws InvalidEventError when it is no event of Kinesis */
export function kinesisData(event: unknown): KinesisData[] {
  return recordsOf(event, 'Kinesis').map((record) => {
    const kinesis = fieldsOf(record.kinesis)
    const sequenceNumber = textOf(kinesis.sequenceNumber)
    if (sequenceNumber === undefined || typeof kinesis.data !== 'string') {
      throw new InvalidEventError('The event is none of Kinesis: a record has no sequence number or no data.')
    }
    const seconds = numberOf(kinesis.approximateArrivalTimestamp)
    return {
      sequenceNumber,
      partitionKey: textOf(kinesis.partitionKey),
      data: Buffer.from(kinesis.data, 'base64'),
      arrivedMs: seconds === undefined ? undefined : seconds * 1_000,
      record: record as unknown as KinesisStreamRecord,
    }
  })
}
