import middy from '@middy/core'
import { SluiceError } from '@sluice/core'
import type { Context, SQSEvent } from 'aws-lambda'
import { expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { sqsBatch } from './index.ts'

const batch = (...bodies: string[]): SQSEvent =>
  ({ Records: bodies.map((body, at) => ({ messageId: `m${at}`, body })) }) as unknown as SQSEvent

const context = (leftMs = 20_000) =>
  ({ awsRequestId: 'r', getRemainingTimeInMillis: () => leftMs }) as unknown as Context

const failures = (...ids: string[]) => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
})

/** What is read of one message, or why it is not. */
async function readOf(source: ReturnType<typeof sqsBatch<unknown>>, body: string): Promise<unknown> {
  const [record] = source.records(batch(body))
  return Promise.resolve(record?.read()).catch((error: unknown) => error)
}

function silent() {
  const log = vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => log.mockRestore())
  return log
}

test('a message is text, JSON that fits its schema, or what parse makes of it', async () => {
  expect(await readOf(sqsBatch<unknown>(), '{"at":0}')).toBe('{"at":0}')
  const schema = z.object({ at: z.coerce.number() })
  const source = sqsBatch({ schema })
  const [record] = source.records(batch('{"at":"7"}'))
  const read = record?.read()
  expectTypeOf(read).toEqualTypeOf<{ at: number } | Promise<{ at: number }> | undefined>()
  expect(await read).toEqual({ at: 7 })
  const parsing = sqsBatch<unknown>({ parse: async (body, { messageId }) => [body, messageId] })
  expect(await readOf(parsing, 'x')).toEqual(['x', 'm0'])
  expect(await readOf(sqsBatch<unknown>({ schema, parse: () => ({ at: 5 }) }), 'x')).toEqual({ at: 5 })
})

test('what a message is wrapped in is taken off', async () => {
  const sns = sqsBatch<unknown>({ envelope: 'sns' })
  expect(await readOf(sns, '{"MessageId":"n","Message":"hi"}')).toBe('hi')
  expect(await readOf(sns, 'hi')).toMatchObject({ name: 'InvalidEventError' })
  const bridge = sqsBatch({ envelope: 'eventBridge', schema: z.object({ a: z.number() }) })
  const event = { id: 'e', source: 's', 'detail-type': 't', detail: { a: 1 } }
  const [record] = bridge.records(batch(JSON.stringify(event)))
  expect(await record?.read()).toEqual({ a: 1 })
})

test('why a message cannot be read is told without a word of it', async () => {
  const own = new SluiceError('not today', { code: 'unavailable', retryable: true })
  const secretly = () => JSON.parse('a secret')
  const errors = [
    await readOf(sqsBatch<unknown>({ parse: secretly }), 'a secret'),
    await readOf(sqsBatch<unknown>({ schema: z.object({ text: z.string() }) }), '{"text":5,"secret":1}'),
    await readOf(sqsBatch<unknown>({ schema: z.string() }), 'a secret'),
    await readOf(sqsBatch<unknown>({ maxBytes: 7 }), 'a secret'),
    await readOf(sqsBatch<unknown>({ parse: () => Promise.reject(own) }), 'a secret'),
  ]
  expect(errors).toMatchObject([
    { name: 'InvalidEventError', message: 'The body of the message could not be parsed.' },
    { name: 'InvalidEventError', message: 'It does not fit its schema at: text.' },
    { name: 'InvalidEventError', message: 'The body of the message is no JSON that is accepted here.' },
    { name: 'PayloadTooLargeError', code: 'payload_too_large', statusCode: 413, maxBytes: 7 },
    own,
  ])
  for (const error of errors)
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret')
  expect(await readOf(sqsBatch<unknown>({ maxBytes: 8 }), 'a secret')).toBe('a secret')
  expect(await readOf(sqsBatch<unknown>({ maxBytes: 2 }), 'ä')).toBe('ä')
  expect(await readOf(sqsBatch<unknown>({ maxBytes: 1 }), 'ä')).toMatchObject({
    name: 'PayloadTooLargeError',
  })
})

test('groups are for the order of a FIFO queue, and for nothing else', () => {
  const groupIn = (queue: string) =>
    sqsBatch().records({
      Records: [
        {
          messageId: 'm',
          body: '',
          attributes: { MessageGroupId: 'customer 5' },
          eventSourceARN: `arn:aws:sqs:eu-central-1:1:${queue}`,
        },
      ],
    } as unknown as SQSEvent)[0]?.group
  expect([groupIn('orders.fifo'), groupIn('orders')]).toEqual(['customer 5', undefined])
})

test('what is done stays done, when a middleware around the handler fails', async () => {
  const log = silent()
  const queue = sqsBatch()
  const failing = { after: () => Promise.reject(new RangeError('the metrics, and a secret')) }
  const work = queue.handler(async (body) => {
    if (body === 'b') throw new TypeError('no')
  })
  const handler = middy<SQSEvent>().use(queue).use(failing).handler(work)
  expect(await handler(batch('a', 'b'), context())).toEqual(failures('m1'))
  expect(log.mock.calls.map(([line]) => JSON.parse(line as string))).toEqual([
    { record: 'm1', status: 'failed', error: 'TypeError' },
    { failed: 'around the handler', error: 'RangeError' },
  ])
  const without = middy<SQSEvent>().use(failing).handler(work)
  await expect(without(batch('a', 'b'), context())).rejects.toThrow('the metrics')
})

test('what is done stays done, when Middy runs out of patience', async () => {
  silent()
  const queue = sqsBatch()
  const begun = Promise.withResolvers<void>()
  const work = queue.handler(
    (body) => {
      if (body === 'a') return
      begun.resolve()
      return new Promise(() => {})
    },
    { reserveMs: 0 },
  )
  const handler = middy<SQSEvent>(undefined, { timeoutEarlyInMillis: 40 }).use(queue).handler(work)
  expect(await handler(batch('a', 'b'), context(60))).toEqual(failures('m1'))
  await begun.promise
})

test('an event of which no record has begun fails, and another answer is left alone', async () => {
  silent()
  const queue = sqsBatch()
  const first = { before: () => Promise.reject(new RangeError('no')) }
  const handler = middy<SQSEvent>()
    .use(queue)
    .use(first)
    .handler(queue.handler(() => {}))
  await expect(handler(batch('a'), context())).rejects.toThrow('no')
  const answering = {
    onError(request: { response: unknown }) {
      request.response = 'mine'
    },
  }
  const failing = { after: () => Promise.reject(new RangeError('no')) }
  const answered = middy<SQSEvent>()
    .use(queue)
    .use(answering)
    .use(failing)
    .handler(queue.handler(() => {}))
  expect(await answered(batch('a'), context())).toBe('mine')
})

test('a handler has the context that middlewares have put something on', async () => {
  const queue = sqsBatch()
  const seen: unknown[] = []
  const handler = middy<SQSEvent>()
    .use({
      before({ context }) {
        Object.assign(context, { model: 'model' })
      },
    })
    .handler(
      queue.handler((body, { id }, { model }: { model?: string }) => void seen.push([body, id, model])),
    )
  expect(await handler(batch('a'), context())).toEqual(failures())
  expect(seen).toEqual([['a', 'm0', 'model']])
})

test('wrong options do not start', () => {
  expect(() => sqsBatch({ parse: 'json' as never })).toThrow(/^sqsBatch: parse is of type string/)
  expect(() => sqsBatch({ schema: {} as never })).toThrow(/^sqsBatch: schema is no Standard Schema/)
  expect(() => sqsBatch({ envelope: 'toString' as never })).toThrow(/^sqsBatch: envelope is 'toString'/)
  for (const maxBytes of [0, -1, Number.NaN])
    expect(() => sqsBatch({ maxBytes })).toThrow(/^sqsBatch: maxBytes is/)
  const wrong = () => {
    // @ts-expect-error the work takes what the source reads
    sqsBatch({ schema: z.number() }).handler((value: string) => value)
    // @ts-expect-error misspelt
    sqsBatch({ maxReceives: 3 })
  }
  expectTypeOf(wrong).toBeFunction()
})
