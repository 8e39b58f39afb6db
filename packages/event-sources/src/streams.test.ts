import { SluiceError } from '@sluice/core'
import type { DynamoDBStreamEvent, KinesisStreamEvent } from 'aws-lambda'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { dynamoDBStream, eventBridge, kinesisStream, snsTopic } from './index.ts'

const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 }
const quiet = { onUnfulfilled: () => {} }
const failed = (...ids: string[]) => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
})

const kinesis = (...records: [key: string, data: string][]): KinesisStreamEvent =>
  ({
    Records: records.map(([partitionKey, data], at) => ({
      kinesis: { sequenceNumber: `${at}`, partitionKey, data: Buffer.from(data).toString('base64') },
    })),
  }) as unknown as KinesisStreamEvent

const changes = (...ids: string[]): DynamoDBStreamEvent =>
  ({
    Records: ids.map((id, at) => ({
      eventName: 'INSERT',
      dynamodb: { SequenceNumber: `${at}`, Keys: { id: { S: id } } },
    })),
  }) as unknown as DynamoDBStreamEvent

test('Kinesis: after the first record that is not done nothing is begun, and all comes again from there', async () => {
  const begun: string[] = []
  const handler = kinesisStream().handler(
    (data) => {
      begun.push(data)
      if (data === 'b') throw new RangeError('no')
    },
    { ...quiet, concurrency: 1 },
  )
  const event = kinesis(['p', 'a'], ['q', 'b'], ['p', 'c'], ['r', 'd'])
  expect(await handler(event, context)).toEqual(failed('1', '3'))
  // Those of a key are one after the other, so that c was done before its turn came.
  expect(begun).toEqual(['a', 'c', 'b'])
})

test('Kinesis: what a record holds', async () => {
  const read = (
    source: { records(event: KinesisStreamEvent): readonly { read(): unknown }[] },
    data: string,
  ) => Promise.resolve(source.records(kinesis(['p', data]))[0]?.read())
  expect(await read(kinesisStream(), 'Grüße')).toBe('Grüße')
  expect(await read(kinesisStream({ schema: z.object({ a: z.number() }) }), '{"a":1}')).toEqual({ a: 1 })
  const parse = (data: string, { kinesis }: { kinesis: { partitionKey: string } }) =>
    data + kinesis.partitionKey
  expect(await read(kinesisStream({ parse }), 'x')).toBe('xp')
})

test('DynamoDB: changes of an item are worked in order, also where there are many at once', async () => {
  const running = new Set<string>()
  const order: string[] = []
  const handler = dynamoDBStream({ parse: ({ dynamodb }) => String(dynamodb?.Keys?.id?.S) }).handler(
    async (id, record) => {
      expect(running.has(id)).toBe(false)
      running.add(id)
      await new Promise(setImmediate)
      order.push(record.id)
      running.delete(id)
    },
    { ...quiet, concurrency: 10 },
  )
  expect(await handler(changes('x', 'y', 'x', 'y', 'x'), context)).toEqual(failed())
  expect(order.filter((id) => ['0', '2', '4'].includes(id))).toEqual(['0', '2', '4'])
})

test('DynamoDB: what a change holds', async () => {
  const [whole] = dynamoDBStream().records(changes('x'))
  expect(await whole?.read()).toMatchObject({ eventName: 'INSERT' })
  const schema = z.object({ eventName: z.literal('REMOVE') })
  const [wrong] = dynamoDBStream({ schema }).records(changes('x'))
  await expect(wrong?.read()).rejects.toThrow('It does not fit its schema at: eventName.')
  const refusing = dynamoDBStream({
    parse() {
      throw new TypeError('a secret')
    },
  })
  await expect(refusing.records(changes('x'))[0]?.read()).rejects.toThrow('The change could not be parsed.')
})

const order = { id: 'e', source: 'shop', 'detail-type': 'Order', detail: { a: 1 } }
const later = new SluiceError('later', { code: 'unavailable', retryable: true })
const never = new SluiceError('never', { code: 'invalid_answer' })

test('EventBridge: the detail, or what is made of the event; thrown is only what may pass', async () => {
  const work = (detail: unknown) => {
    if (detail === 'later') throw later
    if (detail === 'never') throw never
    return detail
  }
  const handler = eventBridge().handler(work, quiet)
  expect(await handler(order, context)).toEqual({ done: ['e'], refused: [] })
  expect(await handler({ ...order, detail: 'never' }, context)).toEqual({
    done: [],
    refused: [{ id: 'e', error: 'SluiceError', message: 'never' }],
  })
  await expect(handler({ ...order, detail: 'later' }, context)).rejects.toBe(later)
  const [typed] = eventBridge({ schema: z.object({ a: z.string() }) }).records(order)
  await expect(typed?.read()).rejects.toThrow('at: a.')
  const [parsed] = eventBridge({ parse: ({ detailType }) => detailType }).records(order)
  expect(await parsed?.read()).toBe('Order')
})

test('SNS: messages of a topic; a bug is thrown, so that somebody hears of it', async () => {
  const event = (...messages: string[]) =>
    ({
      Records: messages.map((Message, at) => ({ Sns: { MessageId: `n${at}`, Message, Subject: 's' } })),
    }) as never
  const handler = snsTopic({ schema: z.object({ a: z.number() }) }).handler(({ a }) => {
    if (a === 5) throw new RangeError('a bug')
  }, quiet)
  expect(await handler(event('{"a":1}', 'no JSON'), context)).toEqual({
    done: ['n0'],
    refused: [
      { id: 'n1', error: 'InvalidEventError', message: 'The message is no JSON that is accepted here.' },
    ],
  })
  await expect(handler(event('{"a":5}'), context)).rejects.toThrow('a bug')
  const [parsed] = snsTopic({ parse: (message, { subject }) => `${subject}: ${message}` }).records(
    event('hi'),
  )
  expect(await parsed?.read()).toBe('s: hi')
})

test('wrong options do not start', () => {
  expect(() => kinesisStream({ parse: 5 as never })).toThrow(/^kinesisStream: parse/)
  expect(() => dynamoDBStream({ schema: 5 as never })).toThrow(/^dynamoDBStream: schema/)
  expect(() => eventBridge({ parse: 5 as never })).toThrow(/^eventBridge: parse/)
  expect(() => snsTopic({ parse: 5 as never })).toThrow(/^snsTopic: parse/)
})
