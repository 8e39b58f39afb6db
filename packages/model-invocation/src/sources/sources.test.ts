import { InvalidEventError, ModelThrottledError, type RecordOutcome, SluiceError } from '@sluice/core'
import { type SourceHarness, sourceConformance } from '@sluice/core/testing'
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HttpEvent, type HttpResponse, httpSource } from './http.ts'
import { sqsSource } from './sqs.ts'

/** Values of any shape, some of them under the keys that events have. */
const anything = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, maxDepth: 3 })
const odd = fc.oneof(
  anything,
  fc.record({ Records: fc.oneof(anything, fc.array(anything)) }),
  fc.record({
    Records: fc.array(
      fc.record({ messageId: fc.oneof(fc.string(), anything), body: anything, attributes: anything }),
    ),
  }),
  fc.record(
    {
      body: fc.oneof(fc.json(), fc.string(), anything),
      headers: fc.oneof(fc.dictionary(fc.string(), anything), anything),
      isBase64Encoded: anything,
    },
    { requiredKeys: [] },
  ),
)
const oddEvents = fc.sample(odd, 500)

function message(at: number, fields: Partial<SQSRecord> = {}): SQSRecord {
  return {
    messageId: `message-${at}`,
    body: JSON.stringify({ at }),
    attributes: {},
    eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:messages',
    ...fields,
  } as SQSRecord
}

const batch = (count: number): SQSEvent => ({
  Records: Array.from({ length: count }, (_, at) => message(at)),
})

const sqs: SourceHarness<SQSEvent, SQSBatchResponse> = {
  source: sqsSource({ parse: (body) => JSON.parse(body) as unknown }),
  event: batch,
  unfulfilled: ({ batchItemFailures }) => batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
  oddEvents,
}

describe('sqsSource', () => {
  test.for(sourceConformance(sqs))('$name', ({ run }) => run())

  test('a message is text, or what parse makes of it', async () => {
    const [text] = sqsSource().records(batch(1))
    expect(await text?.read()).toBe('{"at":0}')
    const parsing = sqsSource({
      parse: async (body, { messageId }) => ({ messageId, ...(JSON.parse(body) as { at: number }) }),
    })
    const [parsed] = parsing.records(batch(1))
    expect(await parsed?.read()).toEqual({ messageId: 'message-0', at: 0 })
  })

  test('what parse throws is the cause of an error that does not quote the message', async () => {
    const [record] = sqsSource({ parse: (body) => JSON.parse(body) as unknown }).records({
      Records: [message(0, { body: 'a secret' })],
    })
    const error = await Promise.resolve(record?.read()).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InvalidEventError)
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret')
    const own = new SluiceError('not today', { code: 'unavailable', retryable: true })
    const [refused] = sqsSource({
      parse() {
        throw own
      },
    }).records(batch(1))
    await expect(refused?.read()).rejects.toBe(own)
  })

  test('groups are for the order of a FIFO queue, and for nothing else', () => {
    const attributes = { MessageGroupId: 'customer 5' } as SQSRecord['attributes']
    const groupIn = (queue: string) =>
      sqsSource().records({
        Records: [message(0, { attributes, eventSourceARN: `arn:aws:sqs:eu-central-1:1:${queue}` })],
      })[0]?.group
    expect([groupIn('orders.fifo'), groupIn('orders')]).toEqual(['customer 5', undefined])
  })

  test('wrong options do not start', () => {
    expect(() => sqsSource({ parse: 'json' as never })).toThrow(/^sqsSource: parse is of type string/)
  })
})

const json = { 'content-type': 'application/json' }
const url = (fields: object = {}) =>
  ({
    version: '2.0',
    requestContext: {},
    headers: json,
    body: '{"text":"hi"}',
    ...fields,
  }) as unknown as HttpEvent

const http: SourceHarness<HttpEvent, HttpResponse> = {
  source: httpSource(),
  event: (count) => (count === 1 ? url() : undefined),
  unfulfilled: () => [],
  oddEvents,
}

/** What the source makes of a body. */
async function readOf(fields: object, parse = (body: unknown): unknown => body): Promise<unknown> {
  const [record] = httpSource({ parse }).records(url(fields))
  return record?.read()
}

function respond(outcome: Partial<RecordOutcome>, event = url()): HttpResponse {
  return httpSource().respond([{ id: 'request', ...outcome } as RecordOutcome], event)
}

describe('httpSource', () => {
  test.for(sourceConformance(http))('$name', ({ run }) => run())

  test.for([
    ['JSON', {}, { text: 'hi' }],
    ['JSON in base64', { body: 'eyJhIjoxfQ==', isBase64Encoded: true }, { a: 1 }],
    ['JSON of a kind', { headers: { 'Content-Type': 'application/ld+json; charset=utf-8' } }, { text: 'hi' }],
    ['JSON without a type', { headers: undefined }, { text: 'hi' }],
    [
      'a load balancer with lists of headers',
      { headers: undefined, multiValueHeaders: { 'Content-Type': ['text/plain'] } },
      '{"text":"hi"}',
    ],
    ['text', { headers: { 'content-type': 'text/plain' }, body: 'hi' }, 'hi'],
    ['a body that was parsed before', { body: { text: 'hi' } }, { text: 'hi' }],
    ['no body of a REST API', { body: null }, undefined],
    ['no body of a function URL', { body: undefined }, undefined],
    ['a key that would be a prototype', { body: '{"__proto__":{"a":1},"b":2}' }, { b: 2 }],
  ] as const)('reads %s', async ([, fields, expected]) => {
    expect(await readOf(fields)).toEqual(expected)
  })

  test('what is no JSON is 400, what parse refuses 422, and neither quotes the body', async () => {
    const failure = (work: Promise<unknown>) => work.catch((thrown: unknown) => thrown)
    const refuse = (body: unknown) => {
      throw new TypeError(`no: ${JSON.stringify(body)}`)
    }
    const [malformed, refused] = [
      await failure(readOf({ body: '{"secret' })),
      await failure(readOf({ body: '{"text":"secret"}' }, refuse)),
    ]
    expect(malformed).toMatchObject({ name: 'InvalidEventError', statusCode: 400, expose: true })
    expect(refused).toMatchObject({ name: 'InvalidEventError', statusCode: 422, expose: true })
    for (const error of [malformed, refused]) expect((error as Error).stack).not.toContain('secret')
    const teapot = Object.assign(new Error('I am a teapot'), { statusCode: 418 })
    expect(await failure(readOf({}, () => Promise.reject(teapot)))).toBe(teapot)
  })

  test('answers text as text and values as JSON, in the headers that are looked at', () => {
    const done = { status: 'fulfilled' } as const
    expect(respond({ ...done, value: 'hi' })).toEqual({
      statusCode: 200,
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: 'hi',
    })
    expect(respond({ ...done, value: { label: 'card' } })).toEqual({
      statusCode: 200,
      headers: { 'Content-Type': 'application/json' },
      body: '{"label":"card"}',
    })
    const balancer = url({ headers: undefined, multiValueHeaders: {} })
    expect(respond({ ...done, value: [] }, balancer)).toEqual({
      statusCode: 200,
      multiValueHeaders: { 'Content-Type': ['application/json'] },
      body: '[]',
    })
    expect(respond({ ...done, value: undefined }).body).toBe('')
  })

  test('throws a failure as the caller may see it', () => {
    const throttled = new ModelThrottledError('of account 123', {
      code: 'throttled',
      retryable: true,
      retryAfterMs: 1200,
      statusCode: 429,
    })
    const thrown = (reason: Error) => {
      try {
        return respond({ status: 'failed', reason })
      } catch (error) {
        return error
      }
    }
    expect(thrown(throttled)).toMatchObject({
      name: 'HttpError',
      statusCode: 429,
      expose: true,
      retryable: true,
      headers: { 'Retry-After': '2' },
      message: expect.not.stringContaining('123'),
      cause: throttled,
    })
    const statuses = (
      [
        ['access_denied', 403],
        ['invalid_request', 400],
        ['invalid_answer', 502],
        ['unavailable', 503],
        ['transport_failed', 504],
        ['deadline_exceeded', 500],
        ['stream_interrupted', 502],
      ] as const
    ).map(
      ([code, statusCode]) => (thrown(new SluiceError('x', { code, statusCode })) as SluiceError).statusCode,
    )
    expect(statuses).toEqual([502, 422, 502, 503, 503, 504, 502])
    const bug = new TypeError('x is not a function')
    expect(thrown(bug)).toBe(bug)
  })

  test('wrong options do not start', () => {
    expect(() => httpSource({ parse: null as never })).toThrow(/^httpSource: parse is of type object/)
  })
})
