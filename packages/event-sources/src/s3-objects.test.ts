import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { S3Client } from '@aws-sdk/client-s3'
import middy from '@middy/core'
import { SluiceError } from '@sluice/core'
import type { SQSBatchResponse } from 'aws-lambda'
import { startLocal } from 'sluice/local'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type S3Object, s3Objects } from './index.ts'

const local = await startLocal({ buckets: { papers: {} } })
const { papers } = local.buckets
const client = clientOf(local.environment.AWS_ENDPOINT_URL_S3 as string)
afterAll(async () => {
  client.destroy()
  await local.close()
})

function clientOf(endpoint: string): S3Client {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  return new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true, maxAttempts: 1 })
}

const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 }
const quiet = { onUnfulfilled: () => {} }

const notice = (key: string, more: object = {}) => ({
  eventName: 'ObjectCreated:Put',
  s3: { bucket: { name: 'papers' }, object: { key, size: 5, ...more } },
})
const direct = (...keys: string[]) => ({ Records: keys.map((key) => notice(key)) })
const queued = (...bodies: object[]) => ({
  Records: bodies.map((body, at) => ({
    messageId: `m${at}`,
    eventSource: 'aws:sqs',
    body: JSON.stringify(body),
  })),
})
const failed = (...ids: string[]) => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
})

describe('which objects are meant', () => {
  const keysOf = (options: Parameters<typeof s3Objects>[0], event: object) =>
    s3Objects(options)
      .records(event)
      .map(({ id }) => id)

  test('written ones, and no folders', () => {
    const removed = { ...notice('gone.txt'), eventName: 'ObjectRemoved:Delete' }
    const { Records } = direct('a.txt', 'full/')
    const event = { Records: [...Records, removed, notice('folder/', { size: 0 })] }
    expect(keysOf({}, event)).toEqual(['s3://papers/a.txt', 's3://papers/full/'])
    expect(keysOf({}, { Event: 's3:TestEvent' })).toEqual([])
    const bridge = (type: string) => ({
      id: 'e',
      source: 'aws.s3',
      'detail-type': type,
      detail: { bucket: { name: 'papers' }, object: { key: 'a b' } },
    })
    expect(keysOf({}, bridge('Object Created'))).toEqual(['s3://papers/a b'])
    expect(keysOf({}, bridge('Object Deleted'))).toEqual([])
    expect(keysOf({}, bridge('Object CreatedX'))).toEqual([])
  })

  test('each once, unless they are of several versions', () => {
    expect(keysOf({}, direct('a', 'b', 'a'))).toEqual(['s3://papers/a', 's3://papers/b'])
    const versions = { Records: [notice('a', { versionId: '1' }), notice('a', { versionId: '2' })] }
    expect(keysOf({}, versions)).toEqual(['s3://papers/a?versionId=1', 's3://papers/a?versionId=2'])
  })

  test('those of the input that are accepted, and none of the output', () => {
    const event = direct('in/a.txt', 'in/b.jpg', 'out/c.txt', 'else/d.txt')
    const accept = ({ key }: { key: string }) => key.endsWith('.txt')
    const ids = (...keys: string[]) => keys.map((key) => `s3://papers/${key}`)
    expect(keysOf({ input: { prefix: 'in/' }, output: { prefix: 'out/' }, accept }, event)).toEqual(
      ids('in/a.txt'),
    )
    // Whatever notifies: what lies where results go is a result.
    const apart = { input: { bucket: 'papers' }, output: { bucket: 'other' } }
    expect(keysOf(apart, event)).toHaveLength(4)
    expect(keysOf({ ...apart, input: { bucket: 'others' }, output: { bucket: 'papers' } }, event)).toEqual([])
    expect(keysOf({ output: { bucket: 'papers', prefix: 'out/' }, input: { prefix: 'in/' } }, event)).toEqual(
      ids('in/a.txt', 'in/b.jpg'),
    )
  })

  test.each([
    [{ prefix: 'in/' }, { prefix: 'in/out/' }],
    [{ prefix: 'in/new/' }, { prefix: 'in/' }],
    [{}, { prefix: 'out/' }],
    [{ prefix: 'same/' }, { prefix: 'same/' }],
    [{ prefix: 'in/' }, {}],
    [{ bucket: 'a' }, {}],
    [
      { bucket: 'a', prefix: 'x' },
      { bucket: 'a', prefix: 'xy' },
    ],
  ])('input %j and output %j of one bucket overlap, and do not start', (input, output) => {
    expect(() => s3Objects({ input, output })).toThrow(/^s3Objects: the prefixes .* overlap/)
  })
})

describe('what they hold', () => {
  test('texts, bytes and streams, of any version, up to a size', async () => {
    await papers.put('grüße 1.txt', 'Grüße!')
    const read = async (options: object, how: (object: S3Object) => unknown) => {
      const [record] = s3Objects<unknown>({ client, ...options, parse: how }).records(
        direct('gr%C3%BC%C3%9Fe+1.txt'),
      )
      return Promise.resolve(record?.read()).catch((error: unknown) => error)
    }
    expect(await read({}, (object) => object.text())).toBe('Grüße!')
    expect(await read({}, ({ bytes }) => bytes())).toEqual(new Uint8Array(Buffer.from('Grüße!')))
    expect(await read({}, async ({ stream }) => text(await stream()))).toBe('Grüße!')
    expect(await read({ maxBytes: 8 }, ({ text }) => text())).toBe('Grüße!')
    const tooLarge = { name: 'PayloadTooLargeError', code: 'payload_too_large', maxBytes: 7 }
    expect(await read({ maxBytes: 7 }, ({ text }) => text())).toMatchObject(tooLarge)
    const parsed = await read({}, async (object) => JSON.parse(await object.text()))
    expect(parsed).toMatchObject({ message: 'The object could not be parsed.' })
    expect((parsed as Error).stack).not.toContain('Grüße')
  })

  test('an object that is gone is refused, and what S3 fails with is thrown', async () => {
    const handler = s3Objects({ client }).handler((object) => object.text(), quiet)
    expect(await handler(direct('gone.txt'), context)).toEqual({
      done: [],
      refused: [{ id: 's3://papers/gone.txt', error: 'InvalidEventError', message: 'The object is gone.' }],
    })
    const other = { Records: [{ ...notice('a'), s3: { bucket: { name: 'none' }, object: { key: 'a' } } }] }
    await expect(handler(other, context)).rejects.toMatchObject({
      code: 'not_found',
      cause: { name: 'NoSuchBucket' },
    })
  })

  test.each([
    [403, 'AccessDenied', 'failed', 'access_denied'],
    [503, 'SlowDown', 'deferred', 'unavailable'],
    [500, 'InternalError', 'deferred', 'unavailable'],
    [404, 'NoSuchBucket', 'failed', 'not_found'],
    [404, 'NoSuchKey', 'failed', 'invalid_event'],
  ] as const)(
    'what S3 fails with (%s %s) is no fault of the object, also where parse reads it',
    async (status, name, outcome, code) => {
      const server = createServer((_request, response) => {
        response.writeHead(status, { 'content-type': 'application/xml' })
        response.end(`<?xml version="1.0"?><Error><Code>${name}</Code><Message>no</Message></Error>`)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const failing = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      onTestFinished(() => {
        failing.destroy()
        server.close()
      })
      const told: unknown[] = []
      const objects = s3Objects({ client: failing, parse: ({ text }) => text(), queue: { defer: false } })
      const handler = objects.handler(() => {}, {
        onUnfulfilled: ({ status, reason }) => told.push([status, (reason as SluiceError).code]),
      })
      await handler(queued(direct('a')), context)
      expect(told).toEqual([[outcome, code]])
    },
  )

  test('an object that is larger than it said is cut off on the way', async () => {
    let closed = Promise.withResolvers<void>()
    const server = createServer((_request, response) => {
      response.on('close', () => closed.resolve())
      const more = (): void => {
        while (response.write('x'.repeat(1_000)));
        response.once('drain', more)
      }
      more()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const endless = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      endless.destroy()
      server.closeAllConnections()
      server.close()
    })
    const [record] = s3Objects({ client: endless, maxBytes: 10_000, parse: ({ text }) => text() }).records(
      direct('a'),
    )
    await expect(record?.read()).rejects.toMatchObject({ name: 'PayloadTooLargeError' })
    await closed.promise
    // And it ends with the signal of its record.
    closed = Promise.withResolvers<void>()
    const controller = new AbortController()
    const [slow] = s3Objects({ client: endless, maxBytes: 1e12, parse: ({ text }) => text() }).records(
      direct('a'),
    )
    const reading = Promise.resolve(slow?.read(controller.signal)).catch((error: Error) => error.name)
    controller.abort()
    expect(await reading).toBe('AbortError')
  })
})

describe('from a queue', () => {
  test('a message is done when all of its objects are', async () => {
    const worked: string[] = []
    const handler = s3Objects({ client }).handler((object) => {
      worked.push(object.key)
      if (object.key === 'bad') throw new RangeError('no')
    }, quiet)
    const event = queued(direct('a'), direct('a', 'bad'), { Event: 's3:TestEvent' }, { none: 1 }, direct('b'))
    expect(await handler(event, context)).toEqual(failed('m1', 'm3'))
    expect(worked.toSorted()).toEqual(['a', 'b', 'bad'])
  })

  test('the worst of its objects says what becomes of a message', async () => {
    const told: unknown[] = []
    const handler = s3Objects({ client, queue: { defer: false } }).handler(
      ({ key }) => {
        if (key === 'broken') throw new RangeError('no')
        throw new SluiceError('no', { code: 'unavailable', retryable: true, retryAfterMs: 5 })
      },
      { onUnfulfilled: ({ id, status, retryAfterMs }) => told.push([id, status, retryAfterMs]) },
    )
    await handler(queued(direct('later', 'broken'), direct('later')), context)
    expect(told).toEqual([
      ['m0', 'failed', undefined],
      ['m1', 'deferred', 5],
    ])
  })

  test('what is done stays done when something else fails; without a queue the failure says more', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => log.mockRestore())
    const objects = s3Objects({ client })
    const failing = { after: () => Promise.reject(new RangeError('no')) }
    const handler = middy<object, unknown>()
      .use(objects)
      .use(failing)
      .handler(objects.handler(() => {}))
    const lambda = context as never
    expect(await handler(queued(direct('a')), lambda)).toEqual(failed() satisfies SQSBatchResponse)
    await expect(handler(direct('a'), lambda)).rejects.toThrow('no')
  })
})

test('an event fails for what may pass, and not for what never will', async () => {
  const handler = s3Objects({ client }).handler(({ key }) => {
    if (key === 'later') throw new SluiceError('later', { code: 'unavailable', retryable: true })
    if (key === 'never') throw new SluiceError('never', { code: 'invalid_request' })
  }, quiet)
  expect(await handler(direct('a', 'never'), context)).toEqual({
    done: ['s3://papers/a'],
    refused: [{ id: 's3://papers/never', error: 'SluiceError', message: 'never' }],
  })
  await expect(handler(direct('a', 'never', 'later'), context)).rejects.toThrow('later')
})

test('wrong options do not start', () => {
  expect(() => s3Objects({ parse: 5 as never })).toThrow(/^s3Objects: parse is of type number/)
  expect(() => s3Objects({ accept: 'a' as never })).toThrow(/^s3Objects: accept is of type string/)
  expect(() => s3Objects({ maxBytes: 0 })).toThrow(/^s3Objects: maxBytes is 0/)
  expect(() => s3Objects({ queue: { backoffMs: -1 } })).toThrow(/^s3Objects: backoffMs is -1/)
})
