import { InvalidEventError } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { dynamoDBChanges } from './dynamodb-event.ts'
import { bridgeEvent, isBridgeEvent } from './event-bridge-event.ts'
import { httpRequest } from './http-event.ts'
import { kinesisData } from './kinesis-event.ts'
import { s3Notices } from './s3-event.ts'
import { isSnsEvent, isSnsNotification, snsNotificationIn, snsNotifications } from './sns-event.ts'
import { isSqsEvent, sqsMessages } from './sqs-event.ts'
import { fieldsOf, numberOf, parseJson, recordsOf, textOf } from './values.ts'

const odd = [undefined, null, 5, '', 'text', true, [], {}, [null]]
const refusal = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error as InvalidEventError
  }
  throw new Error('nothing was thrown')
}
const events = (...records: unknown[]) => ({ Records: records })

describe('values', () => {
  test('what is no object has no fields', () => {
    for (const value of odd.slice(0, 6)) expect(fieldsOf(value)).toEqual({})
    const object = { a: 1 }
    expect(fieldsOf(object)).toBe(object)
  })

  test('texts and numbers, as AWS writes them', () => {
    expect(['a', '', 5, null, undefined].map(textOf)).toEqual([
      'a',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(['5', 5, ' 6 ', '1e3', '0'].map(numberOf)).toEqual([5, 5, 6, 1000, 0])
    expect(['', ' ', 'x', Number.NaN, Infinity, null, undefined, {}, true].map(numberOf)).toEqual(
      Array(9).fill(undefined),
    )
  })

  test('records are a list of objects', () => {
    expect(recordsOf({ Records: [{ a: 1 }, 5, null] }, 'x')).toEqual([{ a: 1 }, {}, {}])
    for (const event of [undefined, null, {}, { Records: {} }, { Records: 'ab' }]) {
      expect(refusal(() => recordsOf(event, 'Kind'))).toMatchObject({
        name: 'InvalidEventError',
        message: 'The event is none of Kind: it has no records.',
      })
    }
  })

  test('JSON that would change a prototype is refused, and not quoted', () => {
    expect(parseJson('{"a":[1,{"b":null}],"constructor":5,"prototype":{}}', 'It')).toEqual({
      a: [1, { b: null }],
      constructor: 5,
      prototype: {},
    })
    expect(parseJson('{"constructor":{"name":"x"}}', 'It')).toEqual({ constructor: { name: 'x' } })
    expect(parseJson('{"constructor":null}', 'It')).toEqual({ constructor: null })
    const refused = [
      '{"secret',
      '',
      '{"a":{"__proto__":{"secret":1}}}',
      '{"\\u005f_proto__":1}',
      '{"constructor":{"prototype":{"secret":1}}}',
      '[{"constructor":{"prototype":null}}]',
    ]
    for (const text of refused) {
      const error = refusal(() => parseJson(text, 'The secret-free thing'))
      expect(error).toBeInstanceOf(InvalidEventError)
      expect(error.message).toBe('The secret-free thing is no JSON that is accepted here.')
      expect(error.cause).toBeInstanceOf(Error)
    }
    expect(refusal(() => parseJson('{"__proto__":1}', 'It')).cause).toMatchObject({
      message: 'a forbidden key',
    })
    // As deep as it may be, it is read or refused.
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(() => parseJson(deep, 'It')).toThrow(InvalidEventError)
  })
})

describe('SQS', () => {
  const record = {
    messageId: 'm',
    body: 'hi',
    receiptHandle: 'h',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:1:q.fifo',
    attributes: { ApproximateReceiveCount: '3', SentTimestamp: '1790000000000', MessageGroupId: 'g' },
  }

  test('a message with all that is told of it', () => {
    expect(sqsMessages(events(record))).toEqual([
      {
        id: 'm',
        body: 'hi',
        queueArn: 'arn:aws:sqs:eu-central-1:1:q.fifo',
        receiptHandle: 'h',
        receiveCount: 3,
        sentMs: 1790000000000,
        group: 'g',
        record,
      },
    ])
  })

  test('a message of which little is told, and one whose group is not for order', () => {
    expect(sqsMessages(events({ messageId: 'm', body: '' }))).toMatchObject([
      {
        body: '',
        receiveCount: 1,
        sentMs: undefined,
        group: undefined,
        queueArn: undefined,
        receiptHandle: undefined,
      },
    ])
    const [standard] = sqsMessages(events({ ...record, eventSourceARN: 'arn:aws:sqs:eu-central-1:1:q' }))
    expect(standard?.group).toBeUndefined()
  })

  test.each([
    ['no id', { ...record, messageId: undefined }],
    ['an empty id', { ...record, messageId: '' }],
    ['no body', { ...record, body: undefined }],
    ['a body that is no text', { ...record, body: {} }],
    ['nothing', null],
  ])('a record with %s is none', (_what, wrong) => {
    expect(refusal(() => sqsMessages(events(record, wrong))).message).toBe(
      'The event is none of SQS: a record has no id or no body.',
    )
  })

  test('is told from other events by its first record', () => {
    expect(isSqsEvent(events(record))).toBe(true)
    for (const event of [
      ...odd,
      events(),
      events({ eventSource: 'aws:s3' }),
      events(null),
      { Records: { 0: record, length: 1 } },
    ]) {
      expect(isSqsEvent(event)).toBe(false)
    }
    expect(refusal(() => sqsMessages({})).message).toContain('none of SQS')
  })
})

describe('SNS', () => {
  const Sns = { Type: 'Notification', MessageId: 'm', Message: 'hi', TopicArn: 'arn', Subject: 'about' }
  const expected = { id: 'm', message: 'hi', topicArn: 'arn', subject: 'about' }

  test('a notification, as an event and in a body', () => {
    expect(snsNotifications(events({ EventSource: 'aws:sns', Sns }))).toEqual([expected])
    expect(snsNotificationIn(JSON.stringify(Sns))).toEqual(expected)
    expect(snsNotificationIn('{"MessageId":"m","Message":""}')).toEqual({
      id: 'm',
      message: '',
      topicArn: undefined,
      subject: undefined,
    })
  })

  test('what has no id or no message is none', () => {
    const message = 'This is no notification of SNS: it has no id or no message.'
    for (const wrong of [
      undefined,
      {},
      { ...Sns, MessageId: '' },
      { ...Sns, Message: 5 },
      { MessageId: 'm' },
    ]) {
      expect(refusal(() => snsNotifications(events({ Sns: wrong }))).message).toBe(message)
    }
    expect(refusal(() => snsNotificationIn('5')).message).toBe(message)
    expect(refusal(() => snsNotificationIn('raw text')).message).toContain(
      'The notification of SNS is no JSON',
    )
    expect(refusal(() => snsNotifications({})).message).toContain('none of SNS')
  })

  test('is told from others', () => {
    expect(isSnsEvent(events({ EventSource: 'aws:sns' }))).toBe(true)
    for (const event of [
      ...odd,
      events(),
      events({ EventSource: 'aws:s3' }),
      { Records: { 0: { EventSource: 'aws:sns' }, length: 1 } },
    ]) {
      expect(isSnsEvent(event)).toBe(false)
    }
    expect(isSnsNotification(Sns)).toBe(true)
    for (const value of [...odd, { ...Sns, Type: 'Other' }, { ...Sns, Message: undefined }]) {
      expect(isSnsNotification(value)).toBe(false)
    }
  })
})

describe('EventBridge', () => {
  const event = {
    id: 'e',
    source: 'shop',
    'detail-type': 'Order placed',
    detail: { a: 1 },
    time: '2026-11-21T12:00:00Z',
    account: '1',
    region: 'eu-central-1',
    resources: ['arn', 5],
  }

  test('an event with all that is told of it', () => {
    expect(bridgeEvent(event)).toEqual({
      id: 'e',
      source: 'shop',
      detailType: 'Order placed',
      detail: { a: 1 },
      time: '2026-11-21T12:00:00Z',
      account: '1',
      region: 'eu-central-1',
      resources: ['arn'],
    })
    expect(bridgeEvent({ ...event, resources: 'arn', detail: null })).toMatchObject({
      resources: [],
      detail: null,
    })
  })

  test.each(['id', 'source', 'detail-type', 'detail'])('one without %s is none', (name) => {
    expect(refusal(() => bridgeEvent({ ...event, [name]: undefined })).message).toBe(
      'The event is none of EventBridge: it wants id, source, detail-type and detail.',
    )
  })

  test('is told from others', () => {
    expect(isBridgeEvent(event)).toBe(true)
    for (const value of [...odd, { detail: {} }, { 'detail-type': 'x' }])
      expect(isBridgeEvent(value)).toBe(false)
  })
})

describe('S3', () => {
  const notified = {
    eventName: 'ObjectCreated:Put',
    s3: {
      bucket: { name: 'papers' },
      object: { key: 'a/M%C3%A4rz+50%25.txt', size: 812, eTag: 'e', versionId: 'v', sequencer: '0A' },
    },
  }
  const object = {
    bucket: 'papers',
    key: 'a/März 50%.txt',
    versionId: 'v',
    sizeBytes: 812,
    eTag: 'e',
    sequencer: '0A',
    eventName: 'ObjectCreated:Put',
  }
  const bridge = {
    id: 'e',
    source: 'aws.s3',
    'detail-type': 'Object Created',
    detail: {
      bucket: { name: 'papers' },
      object: { key: 'a/50%+b.txt', size: 5, etag: 'e', 'version-id': 'v', sequencer: '0B' },
    },
  }
  const ofBridge = {
    ...object,
    key: 'a/50%+b.txt',
    sizeBytes: 5,
    sequencer: '0B',
    eventName: 'Object Created',
  }
  const sns = (message: unknown) => ({
    Type: 'Notification',
    MessageId: 'n',
    Message: JSON.stringify(message),
  })
  const queued = (body: unknown, messageId = 'm') => ({
    messageId,
    eventSource: 'aws:sqs',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

  test('notifications, whatever they come in', () => {
    expect(s3Notices(events(notified))).toEqual([{ messageId: undefined, objects: [object] }])
    expect(s3Notices(bridge)).toEqual([{ messageId: undefined, objects: [ofBridge] }])
    expect(s3Notices(events({ EventSource: 'aws:sns', Sns: sns(events(notified, notified)) }))).toEqual([
      { messageId: undefined, objects: [object, object] },
    ])
    expect(
      s3Notices(
        events(
          queued(events(notified), '1'),
          queued(bridge, '2'),
          queued(sns(events(notified)), '3'),
          queued(sns(bridge), '4'),
        ),
      ),
    ).toEqual([
      { messageId: '1', objects: [object] },
      { messageId: '2', objects: [ofBridge] },
      { messageId: '3', objects: [object] },
      { messageId: '4', objects: [ofBridge] },
    ])
  })

  test('the test event tells of nothing', () => {
    const test = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'papers' }
    expect(s3Notices(test)).toEqual([{ messageId: undefined, objects: [] }])
    expect(s3Notices(events(queued(test)))).toEqual([{ messageId: 'm', objects: [] }])
    expect(refusal(() => s3Notices({ Event: 's3:Other' })).message).toContain('none of S3')
  })

  test('a message that cannot be read fails alone', () => {
    const [bad, good] = s3Notices(events(queued('no JSON'), queued(events(notified), 'n')))
    const noJson = {
      name: 'InvalidEventError',
      message: 'The notification of S3 is no JSON that is accepted here.',
    }
    expect(bad).toMatchObject({ messageId: 'm', objects: noJson })
    expect(good?.objects).toEqual([object])
    const [inner] = s3Notices(events(queued({ ...sns({}), Message: 'no JSON' })))
    expect(inner).toMatchObject({ objects: noJson })
  })

  const without = (path: 'bucket' | 'object' | 'eventName') =>
    path === 'eventName'
      ? { ...notified, eventName: undefined }
      : { ...notified, s3: { ...notified.s3, [path]: {} } }

  test.each(['bucket', 'object', 'eventName'] as const)('a record without %s is none', (path) => {
    expect(refusal(() => s3Notices(events(without(path)))).message).toBe(
      'The event is none of S3: it wants a bucket, a key and what happened.',
    )
  })

  test('keys that no S3 has encoded, and events of others', () => {
    const wrong = { ...notified, s3: { ...notified.s3, object: { key: '%E0%A4%A' } } }
    expect(refusal(() => s3Notices(events(wrong)))).toMatchObject({
      message: 'The key of the object is not encoded as S3 does it.',
      cause: expect.any(URIError),
    })
    expect(refusal(() => s3Notices({ ...bridge, source: 'shop' })).message).toBe(
      'The event of EventBridge is none of S3.',
    )
    expect(refusal(() => s3Notices({ ...bridge, detail: {} })).message).toContain('it wants a bucket')
  })

  test('little may be told of an object', () => {
    const bare = { eventName: 'x', s3: { bucket: { name: 'b' }, object: { key: 'k', size: 'big' } } }
    expect(s3Notices(events(bare))).toEqual([
      {
        messageId: undefined,
        objects: [
          {
            bucket: 'b',
            key: 'k',
            eventName: 'x',
            versionId: undefined,
            sizeBytes: undefined,
            eTag: undefined,
            sequencer: undefined,
          },
        ],
      },
    ])
  })
})

describe('streams', () => {
  test('the data of Kinesis', () => {
    const record = {
      kinesis: { sequenceNumber: '49', partitionKey: 'p', data: 'aGk=', approximateArrivalTimestamp: 1.5 },
    }
    const [data] = kinesisData(events(record))
    expect(data).toEqual({
      sequenceNumber: '49',
      partitionKey: 'p',
      data: Buffer.from('hi'),
      arrivedMs: 1500,
      record,
    })
    const [bare] = kinesisData(events({ kinesis: { sequenceNumber: '1', data: '' } }))
    expect(bare).toMatchObject({ partitionKey: undefined, arrivedMs: undefined })
    for (const kinesis of [
      undefined,
      {},
      { sequenceNumber: '1' },
      { data: '' },
      { sequenceNumber: '', data: '' },
    ]) {
      expect(refusal(() => kinesisData(events({ kinesis }))).message).toBe(
        'The event is none of Kinesis: a record has no sequence number or no data.',
      )
    }
    expect(refusal(() => kinesisData({})).message).toContain('none of Kinesis')
  })

  test('the changes of DynamoDB; those of an item belong together whatever the order of its keys', () => {
    const change = (Keys: object) => ({ dynamodb: { SequenceNumber: '7', Keys } })
    const record = change({ a: { S: 'x' }, b: { N: '1' } })
    const [first, second, other] = dynamoDBChanges(
      events(record, change({ b: { N: '1' }, a: { S: 'x' } }), change({ a: { S: 'x' }, b: { N: '2' } })),
    )
    expect(first).toMatchObject({ sequenceNumber: '7', record })
    expect(second?.item).toBe(first?.item)
    expect(other?.item).not.toBe(first?.item)
    for (const dynamodb of [undefined, {}, { SequenceNumber: '' }]) {
      expect(refusal(() => dynamoDBChanges(events({ dynamodb }))).message).toBe(
        'The event is none of DynamoDB: a record has no sequence number.',
      )
    }
    expect(refusal(() => dynamoDBChanges({})).message).toContain('none of DynamoDB')
  })
})

describe('HTTP', () => {
  const url = {
    version: '2.0',
    rawPath: '/a/b',
    rawQueryString: 'x=1&x=2&y=%26',
    headers: { 'content-type': 'text/plain', 'x-tenant': 't' },
    pathParameters: { id: '5' },
    requestContext: {
      http: { method: 'POST' },
      authorizer: { jwt: { claims: { sub: 'user' } } },
    },
    body: 'hi',
    isBase64Encoded: true,
  }

  test('a function URL, or an HTTP API', () => {
    const request = httpRequest(url)
    expect(request).toMatchObject({ method: 'POST', path: '/a/b', body: 'hi', isBase64Encoded: true })
    expect(request.pathParameters.id).toBe('5')
    expect(request.query.getAll('x')).toEqual(['1', '2'])
    expect(request.query.get('y')).toBe('&')
    expect(request.headers.get('X-Tenant')).toBe('t')
    expect(request.claims.sub).toBe('user')
  })

  test('a REST API', () => {
    const request = httpRequest({
      httpMethod: 'GET',
      path: '/c',
      headers: { Accept: 'last' },
      multiValueHeaders: { Accept: ['first', 'last'] },
      queryStringParameters: { q: '2' },
      multiValueQueryStringParameters: { q: ['a b', '2'] },
      requestContext: { authorizer: { claims: { sub: 'cognito' }, principalId: 'p' } },
      body: null,
    })
    expect(request).toMatchObject({ method: 'GET', path: '/c', body: undefined, isBase64Encoded: false })
    expect(request.headers.get('accept')).toBe('first, last')
    expect(request.query.getAll('q')).toEqual(['a b', '2'])
    expect(request.claims).toMatchObject({ sub: 'cognito', principalId: 'p' })
  })

  test('a load balancer, which decodes no parameter', () => {
    const request = httpRequest({
      httpMethod: 'POST',
      path: '/',
      headers: { host: 'h' },
      queryStringParameters: { q: 'a%20b', 'x%26': '1' },
      requestContext: { elb: { targetGroupArn: 'arn' } },
      body: '',
    })
    expect([...request.query]).toEqual([
      ['q', 'a b'],
      ['x&', '1'],
    ])
    expect(request.body).toBe('')
    // A REST API does.
    const rest = httpRequest({ httpMethod: 'GET', queryStringParameters: { q: 'a%20b' } })
    expect(rest.query.get('q')).toBe('a%20b')
  })

  test('other authorizers', () => {
    const claims = (authorizer: object) =>
      httpRequest({ httpMethod: 'GET', requestContext: { authorizer } }).claims
    expect(claims({ lambda: { tenant: 't' } }).tenant).toBe('t')
    expect(claims({ iam: { userArn: 'arn' } }).userArn).toBe('arn')
    expect(Object.getPrototypeOf(claims({}))).toBeNull()
    expect(claims({}).constructor).toBeUndefined()
  })

  test('what is odd in a request is left out', () => {
    const request = httpRequest({
      httpMethod: 'GET',
      headers: { 'not allowed': 'x', ok: 'yes', number: 5, list: ['a', 6] },
      pathParameters: { a: '1', b: 2 },
    })
    expect([...request.headers]).toEqual([
      ['list', 'a'],
      ['ok', 'yes'],
    ])
    expect({ ...request.pathParameters }).toEqual({ a: '1' })
    expect(Object.getPrototypeOf(request.pathParameters)).toBeNull()
    expect(request.path).toBe('/')
    expect(httpRequest({ httpMethod: 'GET', isBase64Encoded: 'true' }).isBase64Encoded).toBe(false)
  })

  test('what has no method is no request', () => {
    for (const event of [...odd, { requestContext: { http: {} } }, { httpMethod: '' }]) {
      expect(refusal(() => httpRequest(event)).message).toBe(
        'The event is no HTTP request. Is the function behind a URL?',
      )
    }
  })
})
