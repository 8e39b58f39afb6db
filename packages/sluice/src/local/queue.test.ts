import { createHash } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { type EventSourceMappingOptions, type LogLine, startLocal } from './index.ts'
import { startMeeting } from './lambda/testing.ts'
import type { QueueDefinition } from './queue.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function startQueueWith(fixture: string, definition: QueueDefinition) {
  const lines: string[] = []
  const local = await startLocal({
    functions: { consume: { handler: new URL(`./fixtures/${fixture}`, import.meta.url) } },
    queues: {
      tickets: { function: 'consume', visibilityTimeoutSeconds: 1, ...definition } as { function: 'consume' },
    },
    onLog: ({ text }: LogLine) => lines.push(text.split('\t').at(-1) ?? ''),
  })
  closers.push(local.close)
  // Warm, so that no cold start on a busy machine outlasts the visibility time-out.
  await local.functions.consume.invoke({ Records: [] })
  lines.length = 0
  const records = () =>
    lines.filter((line) => line.startsWith('records ')).map((line) => JSON.parse(line.slice(8)))
  return { queue: local.queues.tickets, lines, records, consume: local.functions.consume }
}

const partial = { reportBatchItemFailures: true } satisfies EventSourceMappingOptions

test('the event has every attribute of a real one', async () => {
  const { queue, records } = await startQueueWith('sqs.ts', {})
  const attributes = { kind: { DataType: 'String', StringValue: 'urgent' } }
  const [messageId] = await queue.send([{ body: 'grüezi', attributes }])
  await queue.settled()
  expect(records()).toEqual([
    [
      {
        messageId,
        receiptHandle: expect.stringMatching(/.+/),
        body: 'grüezi',
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: expect.stringMatching(/^\d{13}$/),
          SenderId: expect.any(String),
          ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
        },
        messageAttributes: {
          kind: { stringValue: 'urgent', stringListValues: [], binaryListValues: [], dataType: 'String' },
        },
        md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
        md5OfBody: createHash('md5').update('grüezi').digest('hex'),
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:tickets',
        awsRegion: 'us-east-1',
      },
    ],
  ])
})

test('failed records come again, then go to the dead letters; the others are done', async () => {
  const { queue, records } = await startQueueWith('sqs.ts', { ...partial, maxReceiveCount: 2 })
  await queue.send(['one', 'fail', 'three'])
  await queue.settled()
  expect(await queue.deadLetters()).toMatchObject([{ body: 'fail' }])
  expect(queue.counters()).toEqual({
    events: 2,
    records: 4,
    duplicates: 0,
    succeeded: 2,
    failed: 2,
    failedEvents: 0,
  })
  expect(records()[1]).toMatchObject([{ body: 'fail', attributes: { ApproximateReceiveCount: '2' } }])
})

test.for([
  ['a thrown error', 'throw'],
  ['an unknown id', 'answer:{"batchItemFailures":[{"itemIdentifier":"unknown"}]}'],
  ['an empty id', 'answer:{"batchItemFailures":[{"itemIdentifier":""}]}'],
  ['a null id', 'answer:{"batchItemFailures":[{"itemIdentifier":null}]}'],
  ['another key', 'answer:{"batchItemFailures":[{"messageId":"a"}]}'],
  ['no list', 'answer:{"batchItemFailures":"none"}'],
  ['no object', 'answer:"done"'],
] as const)('%s fails the whole event', async ([, body]) => {
  const { queue } = await startQueueWith('sqs.ts', { ...partial, maxReceiveCount: 1 })
  await queue.send(['one', body])
  await queue.settled()
  expect((await queue.deadLetters()).map((message) => message.body)).toEqual(['one', body])
  expect(queue.counters()).toMatchObject({ succeeded: 0, failed: 2, failedEvents: 1 })
})

test.for([
  ['an empty list', 'answer:{"batchItemFailures":[]}'],
  ['a null list', 'answer:{"batchItemFailures":null}'],
  ['an empty object', 'answer:{}'],
  ['null', 'answer:null'],
] as const)('%s means that all is done', async ([, body]) => {
  const { queue } = await startQueueWith('sqs.ts', { ...partial, maxReceiveCount: 1 })
  await queue.send(['one', body])
  await queue.settled()
  expect(queue.counters()).toEqual({
    events: 1,
    records: 2,
    duplicates: 0,
    succeeded: 2,
    failed: 0,
    failedEvents: 0,
  })
})

test('without partial responses the answer does not matter, an error does', async () => {
  const { queue } = await startQueueWith('sqs.ts', {
    maxReceiveCount: 1,
    batchSize: 1,
    maximumConcurrency: 1,
  })
  await queue.send(['fail', 'throw'])
  await queue.settled()
  expect(await queue.deadLetters()).toMatchObject([{ body: 'throw' }])
})

test('a window gathers one event from several requests', async () => {
  const definition = { batchSize: 25, windowMs: 20_000, maximumConcurrency: 1 }
  const { queue, lines } = await startQueueWith('sqs-count.ts', {
    visibilityTimeoutSeconds: 30,
    ...definition,
  })
  await queue.send(Array.from({ length: 25 }, (_, index) => `message ${index}`))
  await queue.settled()
  expect(lines).toEqual(['count 25'])
})

test('a window that is over sends what there is', async () => {
  const definition = { batchSize: 25, windowMs: 300, maximumConcurrency: 1 }
  const { queue, lines } = await startQueueWith('sqs-count.ts', {
    visibilityTimeoutSeconds: 30,
    ...definition,
  })
  await queue.send(['one', 'two', 'three'])
  await queue.settled()
  expect(lines).toEqual(['count 3'])
})

test('a batch too large for one event is split', async () => {
  const { queue, lines } = await startQueueWith('sqs-count.ts', {
    visibilityTimeoutSeconds: 30,
    maximumConcurrency: 1,
    windowMs: 20_000,
  })
  await queue.send(Array.from({ length: 10 }, () => 'x'.repeat(900_000)))
  await queue.settled()
  expect(lines).toEqual(['count 5', 'count 5'])
})

test('never more events at once than the maximum', async () => {
  const meeting = await startMeeting()
  const { queue, consume } = await startQueueWith('sqs-meeting.ts', {
    batchSize: 1,
    maximumConcurrency: 2,
    visibilityTimeoutSeconds: 30,
  })
  await queue.send([meeting.url, meeting.url, meeting.url, meeting.url])
  await meeting.arrived(2)
  meeting.release()
  await meeting.arrived(2)
  expect(consume.sandboxes().length).toBe(2)
  meeting.release()
  await queue.settled()
  expect(meeting.mostAtOnce).toBe(2)
})

test('a duplicate is delivered again, although its message is done', async () => {
  const meeting = await startMeeting()
  const { queue } = await startQueueWith('sqs-meeting.ts', {
    duplicateShare: 1,
    maximumConcurrency: 1,
    visibilityTimeoutSeconds: 30,
  })
  await queue.send([meeting.url])
  await meeting.arrived(1)
  meeting.release()
  await queue.settled()
  await meeting.arrived(1)
  expect(queue.counters()).toMatchObject({ records: 1, duplicates: 1, succeeded: 1 })
  meeting.release()
})

test('a FIFO queue keeps the order of a group', async () => {
  const { queue, records } = await startQueueWith('sqs.ts', { fifo: true, ...partial })
  await queue.send(['a', 'b', 'c'].map((body) => ({ body, groupId: 'letters' })))
  await queue.settled()
  const seen = records().flat()
  expect(seen.map(({ body }) => body)).toEqual(['a', 'b', 'c'])
  expect(seen[0]?.attributes).toMatchObject({ MessageGroupId: 'letters', SequenceNumber: expect.any(String) })
})

test('settled can be given up', async () => {
  const meeting = await startMeeting()
  const { queue } = await startQueueWith('sqs-meeting.ts', { visibilityTimeoutSeconds: 30 })
  await queue.send([meeting.url])
  await meeting.arrived(1)
  await expect(queue.settled({ signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout')
  meeting.release()
  await queue.settled()
})
