/** What every source owes, and every event that is none. */

import { InvalidEventError } from '@sluice/core'
import { type SourceHarness, sourceConformance } from '@sluice/core/testing'
import type { SQSBatchResponse } from 'aws-lambda'
import { describe, expect, test } from 'vitest'
import { oddEvents } from './fixtures/odd-events.ts'
import {
  dynamoDBStream,
  eventBridge,
  http,
  kinesisStream,
  s3Objects,
  snsTopic,
  sqsBatch,
  stepFunctionsTask,
} from './index.ts'
import { dynamoDBChanges } from './parse/dynamodb-event.ts'
import { bridgeEvent, isBridgeEvent } from './parse/event-bridge-event.ts'
import { httpRequest } from './parse/http-event.ts'
import { kinesisData } from './parse/kinesis-event.ts'
import { s3Notices } from './parse/s3-event.ts'
import { isSnsNotification, snsNotifications } from './parse/sns-event.ts'
import { isSqsEvent, sqsMessages } from './parse/sqs-event.ts'

const many = <Each>(count: number, each: (at: number) => Each) =>
  Array.from({ length: count }, (_, at) => each(at))
const only =
  <Event>(event: Event) =>
  (count: number) =>
    count === 1 ? event : undefined
const items = ({ batchItemFailures }: { batchItemFailures: { itemIdentifier: string }[] }) =>
  batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)

function suite<Event, Response>(harness: SourceHarness<Event, Response>) {
  return sourceConformance({ ...harness, oddEvents })
}

const suites = {
  sqsBatch: suite({
    source: sqsBatch({ parse: (body) => JSON.parse(body) as unknown }),
    event: (count) => ({ Records: many(count, (at) => ({ messageId: `m${at}`, body: '{"a":1}' })) }),
    unfulfilled: items,
  }),
  s3Objects: suite({
    source: s3Objects({ parse: ({ key }) => key }),
    event: (count) => ({
      Records: many(count, (at) => ({
        messageId: `m${at}`,
        eventSource: 'aws:sqs',
        body: JSON.stringify({
          Records: [
            { eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'b' }, object: { key: `k${at}` } } },
          ],
        }),
      })),
    }),
    // The messages are what is named; each has one object.
    unfulfilled: (response) => items(response as SQSBatchResponse).map((id) => id.replace('m', 's3://b/k')),
  }),
  kinesisStream: suite({
    source: kinesisStream(),
    event: (count) => ({
      Records: many(count, (at) => ({ kinesis: { sequenceNumber: `${at}`, data: 'aGk=' } })),
    }),
    unfulfilled: items,
  }),
  dynamoDBStream: suite({
    source: dynamoDBStream(),
    event: (count) => ({ Records: many(count, (at) => ({ dynamodb: { SequenceNumber: `${at}` } })) }),
    unfulfilled: items,
  }),
  eventBridge: suite({
    source: eventBridge(),
    event: only({ id: 'e', source: 'shop', 'detail-type': 'Order', detail: {} }),
    unfulfilled: ({ refused }) => refused.map(({ id }) => id),
  }),
  snsTopic: suite({
    source: snsTopic(),
    event: only({ Records: [{ Sns: { MessageId: 'm', Message: 'hi' } }] } as never),
    unfulfilled: ({ refused }) => refused.map(({ id }) => id),
  }),
  http: suite({
    source: http(),
    event: only({ httpMethod: 'POST', path: '/', headers: {}, body: '{"a":1}' } as never),
    unfulfilled: ({ statusCode }) => (statusCode < 400 ? [] : ['request']),
  }),
  stepFunctionsTask: suite({
    source: stepFunctionsTask(),
    event: only({ text: 'hi' } as never),
    unfulfilled: () => [],
  }),
}

describe.each(Object.entries(suites))('%s', (_name, cases) => {
  test.for(cases)('$name', ({ run }) => run())
})

const parsers: Record<string, (event: unknown) => unknown> = {
  bridgeEvent,
  dynamoDBChanges,
  httpRequest,
  isBridgeEvent,
  isSnsNotification,
  isSqsEvent,
  kinesisData,
  s3Notices,
  snsNotifications,
  sqsMessages,
}

test.each(Object.entries(parsers))('%s: a right result or a typed error, whatever comes', (_name, parse) => {
  let [right, refused] = [0, 0]
  for (const event of oddEvents) {
    try {
      parse(event)
      right += 1
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidEventError)
      refused += 1
    }
  }
  expect(right).toBeGreaterThan(0)
  expect(right + refused).toBe(oddEvents.length)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})
