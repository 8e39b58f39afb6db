import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import { SluiceError, type SluiceErrorCode, type UnfulfilledRecord } from '@sluice/core'
import type { SQSEvent } from 'aws-lambda'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { clientOf, localQueue } from './fixtures/local-queue.ts'
import { type SqsBatchOptions, sqsBatch } from './index.ts'

const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 }

function no(code: SluiceErrorCode, retryAfterMs?: number): SluiceError {
  return new SluiceError('no', { code, retryable: true, retryAfterMs })
}

const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))
afterEach(() => {
  warnings.length = 0
})

/** Handles an event and tells what became of its records, by body. */
async function handle(
  options: SqsBatchOptions<string>,
  event: SQSEvent,
  work: (body: string) => unknown,
): Promise<{ failures: (string | undefined)[]; told: Record<string, UnfulfilledRecord> }> {
  const bodyOf = (id: string) => event.Records.find(({ messageId }) => messageId === id)?.body ?? ''
  const told: Record<string, UnfulfilledRecord> = {}
  const handler = sqsBatch({ random: () => 0, ...options }).handler(async (body) => work(body), {
    onUnfulfilled: (outcome) => {
      told[bodyOf(outcome.id)] = outcome
    },
  })
  const { batchItemFailures } = await handler(event, context)
  // A warning is given in the next turn.
  await new Promise(setImmediate)
  return { failures: batchItemFailures.map(({ itemIdentifier }) => bodyOf(itemIdentifier)), told }
}

test('a deferred message comes when its error says so, and the others as the queue says', async () => {
  const { client, queue, receive } = await localQueue({ visibilityTimeoutSeconds: 30, maxReceiveCount: 10 })
  await queue.send(['done', 'soon', 'broken'])
  const { failures, told } = await handle({ client }, await receive(), (body) => {
    if (body === 'soon') throw no('unavailable', 1)
    if (body === 'broken') throw new RangeError('a bug')
  })
  expect(failures.toSorted()).toEqual(['broken', 'soon'])
  expect(told.soon).toMatchObject({ status: 'deferred', retryAfterMs: 1_000 })
  expect(told.soon?.ageMs).toBeLessThan(20_000)
  expect(told.broken).toMatchObject({ status: 'failed', reason: { message: 'a bug' } })
  const { Messages } = await client.send(
    new ReceiveMessageCommand({ QueueUrl: queue.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
  )
  expect(Messages?.map(({ Body }) => Body)).toEqual(['soon'])
  expect(warnings).toEqual([])
})

test('a client of its own finds the queue wherever the environment says', async () => {
  const { queue, receive, environment } = await localQueue({ maxReceiveCount: 10 })
  await queue.send(['soon'])
  const before = { ...process.env }
  Object.assign(process.env, environment)
  onTestFinished(() => {
    process.env = before
  })
  const { told } = await handle({}, await receive(), () => {
    throw no('unavailable', 1)
  })
  expect(told.soon).toMatchObject({ retryAfterMs: 1_000 })
  expect((await receiveWhenVisible(receive)).Records).toHaveLength(1)
  expect(warnings).toEqual([])
})

async function receiveWhenVisible(receive: () => Promise<SQSEvent>): Promise<SQSEvent> {
  for (;;) {
    const event = await receive()
    if (event.Records.length > 0) return event
  }
}

/** Events as Lambda makes them, without a queue behind them. */
function eventOf(
  bodies: readonly string[],
  fields: { count?: number; arn?: string; group?: string } = {},
): SQSEvent {
  const { count = 1, arn = 'arn:aws:sqs:us-east-1:000000000000:work', group } = fields
  return {
    Records: bodies.map((body) => ({
      messageId: `id of ${body}`,
      receiptHandle: `handle of ${body}`,
      body,
      attributes: {
        ApproximateReceiveCount: String(count),
        SentTimestamp: String(Date.now() - 5_000),
        AWSTraceHeader: 'Root=1',
        ...(group !== undefined && { MessageGroupId: group }),
      },
      messageAttributes: {},
      eventSourceARN: arn,
    })),
  } as unknown as SQSEvent
}

interface Asked {
  readonly action: string
  readonly body: Record<string, unknown> & { readonly Entries?: Record<string, unknown>[] }
}

/** SQS as it answers on the wire, so that what is sent can be looked at. */
async function fakeSqs(
  answer: (asked: Asked) => { status?: number; body: object } | undefined = () => undefined,
) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const action = String(request.headers['x-amz-target']).replace('AmazonSQS.', '')
    const each: Asked = { action, body: JSON.parse(text) }
    asked.push(each)
    const Successful = each.body.Entries?.map(({ Id, MessageBody = '' }) => ({
      Id,
      // The SDK compares it.
      MD5OfMessageBody: createHash('md5').update(String(MessageBody)).digest('hex'),
    }))
    const { status = 200, body } = answer(each) ?? { body: { Successful, Failed: [] } }
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => {
    client.destroy()
    server.close()
  })
  return { client, asked }
}

const isDenied = {
  status: 403,
  body: { __type: 'com.amazon.coral.service#AccessDeniedException', message: 'no' },
}
const defer = () => {
  throw no('unavailable', 60_000)
}

test('waits are spread, bounded, doubled where nobody has said when, and sent ten at a time', async () => {
  const { client, asked } = await fakeSqs()
  const seconds = async (reason: SluiceError, count: number, random = 0) => {
    asked.length = 0
    await handle({ client, maxReceiveCount: 100, random: () => random }, eventOf(['a'], { count }), () => {
      throw reason
    })
    return asked[0]?.body.Entries?.[0]?.VisibilityTimeout
  }
  expect(await seconds(no('quota_exceeded', 1_200), 1)).toBe(2)
  expect(await seconds(no('quota_exceeded', 1_200), 1, 1)).toBe(12)
  expect(await seconds(no('quota_exceeded', 1_200), 4, 0.5)).toBe(42)
  expect(await seconds(no('quota_exceeded', 80_000), 1, 1)).toBe(100)
  expect(await seconds(no('quota_exceeded', 24 * 3_600_000), 1)).toBe(36_000)
  expect(await seconds(no('quota_exceeded', 24 * 3_600_000), 90, 1)).toBe(36_900)
  expect(await seconds(no('unavailable'), 1)).toBe(10)
  expect(await seconds(no('unavailable'), 4)).toBe(80)
  expect(await seconds(no('unavailable'), 90)).toBe(10_240)
  expect(await seconds(no('unavailable', 0), 1)).toBe(0)

  asked.length = 0
  const bodies = Array.from({ length: 23 }, (_, at) => `m${at}`)
  const { failures } = await handle({ client, maxReceiveCount: 100 }, eventOf(bodies), defer)
  expect(failures).toHaveLength(23)
  expect(asked.map(({ action, body }) => [action, body.Entries?.length])).toEqual([
    ['ChangeMessageVisibilityBatch', 10],
    ['ChangeMessageVisibilityBatch', 10],
    ['ChangeMessageVisibilityBatch', 3],
  ])
  expect(asked[0]?.body).toMatchObject({
    QueueUrl: 'https://sqs.us-east-1.amazonaws.com/000000000000/work',
    Entries: expect.arrayContaining([{ Id: '0', ReceiptHandle: 'handle of m0', VisibilityTimeout: 60 }]),
  })
})

test('two receives before the queue gives it up a message fails for its reason', async () => {
  const { client, asked } = await fakeSqs()
  const { told, failures } = await handle({ client, maxReceiveCount: 8 }, eventOf(['a'], { count: 6 }), defer)
  expect(told.a).toMatchObject({ status: 'failed', reason: { code: 'unavailable' } })
  expect([failures, asked]).toEqual([['a'], []])
  const before = await handle({ client, maxReceiveCount: 8 }, eventOf(['a'], { count: 5 }), defer)
  expect(before.told.a).toMatchObject({ status: 'deferred', retryAfterMs: 60_000 })
})

test('or it is sent again: a copy with its attributes, of which the age goes on', async () => {
  const { client, asked } = await fakeSqs()
  const options = { client, maxReceiveCount: 5, atReceiveLimit: 'sendAgain' } as const
  const event = eventOf(['a'], { count: 3, group: 'fair' })
  const [record] = event.Records
  Object.assign(record?.messageAttributes ?? {}, {
    kind: { dataType: 'String', stringValue: 'letter', stringListValues: [] },
    bytes: { dataType: 'Binary', binaryValue: 'aGk=' },
    SluiceFirstSentMs: { dataType: 'Number', stringValue: String(Date.now() - 3_600_000) },
  })
  const { told, failures } = await handle(options, event, () => {
    throw no('unavailable', 2_000_000)
  })
  expect(failures).toEqual([])
  expect(told.a).toMatchObject({ status: 'deferred', orderedAgain: true })
  expect(told.a?.ageMs).toBeGreaterThan(3_599_000)
  expect(asked).toMatchObject([
    {
      action: 'SendMessageBatch',
      body: {
        Entries: [
          {
            Id: '0',
            MessageBody: 'a',
            DelaySeconds: 900,
            MessageGroupId: 'fair',
            MessageAttributes: {
              kind: { DataType: 'String', StringValue: 'letter' },
              bytes: { DataType: 'Binary', BinaryValue: 'aGk=' },
              SluiceFirstSentMs: { DataType: 'Number', StringValue: expect.stringMatching(/^\d{13}$/) },
            },
            MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1' } },
          },
        ],
      },
    },
  ])

  // Who may come as often as it likes is spread over half of its age, which in a copy goes on.
  asked.length = 0
  const copy = eventOf(['a'], { count: 1 })
  Object.assign(copy.Records[0]?.messageAttributes ?? {}, {
    SluiceFirstSentMs: { dataType: 'Number', stringValue: String(Date.now() - 160_000) },
  })
  const second = () => {
    throw no('quota_exceeded', 1_000)
  }
  await handle({ ...options, random: () => 1 }, copy, second)
  const hidden = () => Number(asked[0]?.body.Entries?.[0]?.VisibilityTimeout)
  expect(hidden()).toBeGreaterThanOrEqual(81)
  expect(hidden()).toBeLessThan(90)
  // Who may not, over twice as much with each receive.
  asked.length = 0
  await handle({ client, maxReceiveCount: 5, random: () => 1 }, eventOf(['a'], { count: 2 }), second)
  expect(hidden()).toBe(21)

  // Of those that would wait for longer not all come at once.
  asked.length = 0
  await handle({ ...options, random: () => 1 }, eventOf(['b'], { count: 3 }), () => {
    throw no('unavailable', 2_000_000)
  })
  expect(asked[0]?.body.Entries?.[0]?.DelaySeconds).toBe(675)

  // A message with all the attributes that it may have is sent without another one.
  asked.length = 0
  const full = eventOf(['b'], { count: 3 })
  const ten = Array.from({ length: 10 }, (_, at) => [`a${at}`, { dataType: 'String', stringValue: 'x' }])
  Object.assign(full.Records[0]?.messageAttributes ?? {}, Object.fromEntries(ten))
  await handle(options, full, defer)
  expect(Object.keys(asked[0]?.body.Entries?.[0]?.MessageAttributes ?? {})).toHaveLength(10)
})

test('a group of a FIFO queue comes back together, and is never sent again', async () => {
  const { client, asked } = await fakeSqs()
  const fifo = { arn: 'arn:aws:sqs:us-east-1:000000000000:work.fifo', group: 'g' }
  const options = { client, maxReceiveCount: 8, atReceiveLimit: 'sendAgain', random: () => 1 } as const
  const begun: string[] = []
  const first = await handle(options, eventOf(['a', 'b', 'c'], fifo), (body) => {
    begun.push(body)
    if (body === 'b') throw no('unavailable', 40_000)
  })
  expect(begun).toEqual(['a', 'b'])
  expect(first.failures).toEqual(['b', 'c'])
  expect(asked[0]?.body.Entries?.map(({ VisibilityTimeout }) => VisibilityTimeout)).toEqual([50, 50])

  // Behind a failure they wait as the failure does.
  asked.length = 0
  const failed = await handle(options, eventOf(['a', 'b'], fifo), () => {
    throw new RangeError('a bug')
  })
  expect([failed.failures, asked]).toEqual([['a', 'b'], []])

  const late = await handle(options, eventOf(['a', 'b'], { ...fifo, count: 6 }), defer)
  expect(late.told.a?.status).toBe('failed')
  expect(asked).toEqual([])
})

test('the limit is asked of the queue once, and a low one is warned about', async () => {
  const RedrivePolicy = JSON.stringify({ maxReceiveCount: 3, deadLetterTargetArn: 'x' })
  const { client, asked } = await fakeSqs(({ action }) =>
    action === 'GetQueueAttributes' ? { body: { Attributes: { RedrivePolicy } } } : undefined,
  )
  const source = sqsBatch({ client })
  const handler = source.handler(() => {}, {})
  await handler(eventOf(['a']), context)
  await handler(eventOf(['b']), context)
  await new Promise(setImmediate)
  expect(asked).toMatchObject([{ action: 'GetQueueAttributes', body: { AttributeNames: ['RedrivePolicy'] } }])
  expect(warnings).toEqual([
    'sqsBatch: the queue gives a message up after 3 receives, and each deferral is one. Set maxReceiveCount in its redrive policy to 10 or more.',
  ])
})

test('a queue without a dead-letter queue never gives a message up', async () => {
  const { client, asked } = await fakeSqs(({ action }) =>
    action === 'GetQueueAttributes' ? { body: {} } : undefined,
  )
  const { told } = await handle({ client, random: () => 1 }, eventOf(['a'], { count: 1_000 }), defer)
  expect(told.a?.status).toBe('deferred')
  expect(asked.map(({ action }) => action)).toEqual(['GetQueueAttributes', 'ChangeMessageVisibilityBatch'])
  // So its receives need not be saved.
  expect(asked[1]?.body.Entries?.[0]?.VisibilityTimeout).toBe(75)
  expect(warnings).toEqual([])
})

test.each([
  ['GetQueueAttributes', 1, 'sqs:GetQueueAttributes'],
  ['ChangeMessageVisibilityBatch', 1, 'sqs:ChangeMessageVisibility'],
  ['SendMessageBatch', 8, 'sqs:SendMessage'],
] as const)(
  'where %s is denied, the message is still handed back, and the action is named once',
  async (action, count, permission) => {
    const { client } = await fakeSqs((asked) => {
      if (asked.action === action) return isDenied
      return asked.action === 'GetQueueAttributes'
        ? { body: { Attributes: { RedrivePolicy: '{"maxReceiveCount":10}' } } }
        : undefined
    })
    const handler = sqsBatch({ client, atReceiveLimit: 'sendAgain' }).handler(defer, { onUnfulfilled() {} })
    for (const body of ['a', 'b']) {
      const { batchItemFailures } = await handler(eventOf([body], { count }), context)
      expect(batchItemFailures).toEqual([{ itemIdentifier: `id of ${body}` }])
    }
    await new Promise(setImmediate)
    const named = `Allow the function's role ${permission} on arn:aws:sqs:us-east-1:000000000000:work.`
    expect(warnings.filter((warning) => warning.endsWith(named))).toHaveLength(1)
  },
)

test('what fails otherwise is named, and a refused entry alone stays as it was', async () => {
  const { client } = await fakeSqs(({ action, body }) => {
    if (action !== 'ChangeMessageVisibilityBatch') return undefined
    const [first] = body.Entries ?? []
    return { body: { Successful: [{ Id: first?.Id }], Failed: [{ Id: '1', Code: 'x', SenderFault: true }] } }
  })
  const { told, failures } = await handle({ client, maxReceiveCount: 10 }, eventOf(['a', 'b']), defer)
  expect(failures).toEqual(['a', 'b'])
  expect(Object.values(told).map(({ retryAfterMs }) => retryAfterMs)).toEqual([60_000, 60_000])
  expect(warnings).toEqual([
    'sqsBatch: messages could not be deferred (some were refused). They come when the visibility time-out of the queue is over.',
  ])
  warnings.length = 0
  const down = await fakeSqs(() => ({ status: 400, body: { __type: 'InvalidParameterValue' } }))
  await handle({ client: down.client, maxReceiveCount: 10 }, eventOf(['a']), defer)
  expect(warnings[0]).toContain('messages could not be deferred (InvalidParameterValue)')
})

test('without deferral, or without an ARN, SQS is not called', async () => {
  const { client, asked } = await fakeSqs()
  expect((await handle({ client, defer: false }, eventOf(['a']), defer)).failures).toEqual(['a'])
  const bare = { Records: [{ messageId: 'm', body: 'a' }] } as SQSEvent
  expect((await handle({ client }, bare, defer)).failures).toEqual(['a'])
  expect((await handle({ client }, { Records: [] }, defer)).failures).toEqual([])
  expect(asked).toEqual([])
})

test('wrong options do not start', () => {
  for (const maxReceiveCount of [0, -1, 1.5, Number.NaN]) {
    expect(() => sqsBatch({ maxReceiveCount })).toThrow(/^sqsBatch: maxReceiveCount is/)
  }
  expect(() => sqsBatch({ atReceiveLimit: 'drop' as never })).toThrow(/^sqsBatch: atReceiveLimit is 'drop'/)
  for (const backoffMs of [-1, Infinity]) {
    expect(() => sqsBatch({ backoffMs })).toThrow(/^sqsBatch: backoffMs is/)
  }
})
