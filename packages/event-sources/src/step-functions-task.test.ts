import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { InvalidEventError, SluiceError } from '@sluice/core'
import { startLocal } from 'sluice/local'
import { afterAll, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type Offloaded, stepFunctionsTask, taskError } from './index.ts'

const local = await startLocal({ buckets: { results: {}, others: {} } })
const client = new S3Client({
  endpoint: local.environment.AWS_ENDPOINT_URL_S3 as string,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
})
afterAll(async () => {
  client.destroy()
  await local.close()
})

const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 }

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.unreachable(),
    (error: Error) => error,
  )
}

test('the input is the record, and the result is the response', async () => {
  const handler = stepFunctionsTask({ schema: z.object({ text: z.string() }) }).handler(({ text }) => {
    expectTypeOf(text).toEqualTypeOf<string>()
    return { length: text.length }
  })
  expect(await handler({ text: 'hi' }, context)).toEqual({ length: 2 })
  const error = await failure(handler({ text: 5 }, context))
  expect(error.name).toBe('InvalidEventError')
  expect(JSON.parse(error.message)).toMatchObject({ code: 'invalid_event', retryable: false })
})

test('an error keeps its name, and its message tells what the runtime would lose', () => {
  const quota = new SluiceError('no quota', { code: 'quota_exceeded', retryable: true, retryAfterMs: 1_200 })
  quota.name = 'QuotaExceededError'
  const told = taskError(quota)
  expect([told.name, told.cause]).toEqual(['QuotaExceededError', quota])
  expect(JSON.parse(told.message)).toEqual({
    code: 'quota_exceeded',
    message: 'no quota',
    retryable: true,
    retryAfterMs: 1_200,
    retryAfterSeconds: 2,
  })
  expect(JSON.parse(taskError(new RangeError('a bug')).message)).toEqual({
    code: 'unexpected',
    message: 'a bug',
    retryable: false,
  })
  expect(JSON.parse(taskError(new InvalidEventError('no')).message)).not.toHaveProperty('retryAfterMs')
})

test('a result that is too large fails the task, to the byte', async () => {
  const task = stepFunctionsTask({ maxResultBytes: 6 })
  const handler = task.handler((input) => input)
  expect(await handler('ää', context)).toBe('ää')
  expect(await handler(undefined, context)).toBeUndefined()
  const error = await failure(handler('äää', context))
  expect(error.name).toBe('PayloadTooLargeError')
  expect(JSON.parse(error.message)).toMatchObject({ code: 'payload_too_large', retryable: false })
  const large = stepFunctionsTask().handler((length) => 'x'.repeat(length as number))
  expect(await large(262_142, context)).toHaveLength(262_142)
  expect((await failure(large(262_143, context))).name).toBe('PayloadTooLargeError')
})

describe('offloading', () => {
  const offload = { client, bucket: 'results', prefix: 'large/' }
  const task = stepFunctionsTask<unknown, unknown>({ offload, maxResultBytes: 50 })
  const handler = task.handler((input) => input)

  test('a large result waits in the bucket, and the next task reads it as its input', async () => {
    const value = { text: 'x'.repeat(100) }
    const offloaded = (await handler(value, context)) as Offloaded
    const json = JSON.stringify(value)
    expect(offloaded).toEqual({
      offloaded: {
        bucket: 'results',
        key: expect.stringMatching(/^large\/[0-9a-f]{64}\.json$/),
        bytes: json.length,
      },
    })
    const { key: Key, bucket: Bucket } = offloaded.offloaded
    const { Body, ContentType } = await client.send(new GetObjectCommand({ Bucket, Key }))
    expect([await Body?.transformToString(), ContentType]).toEqual([json, 'application/json'])
    // Tried again it is the same object.
    expect(await handler(value, context)).toEqual(offloaded)
    const next = stepFunctionsTask<typeof value>({ offload }).handler(({ text }) => text.length)
    expect(await next(offloaded, context)).toBe(100)
    expect(await handler({ small: 1 }, context)).toEqual({ small: 1 })
  })

  test('an input does not choose what is read', async () => {
    for (const offloaded of [
      { bucket: 'others', key: 'large/a.json' },
      { bucket: 'results', key: 'secrets/a.json' },
      { bucket: 'results', key: 5 },
      { bucket: 'results' },
      'large/a.json',
      null,
    ]) {
      expect((await failure(handler({ offloaded }, context))).name).toBe('InvalidEventError')
    }
  })

  test('what cannot be put away fails the task', async () => {
    const wrong = stepFunctionsTask({ offload: { client, bucket: 'none' }, maxResultBytes: 5 })
    expect((await failure(wrong.handler(() => 'too large')({}, context))).name).toBe('NoSuchBucket')
  })
})

test('wrong options do not start', () => {
  expect(() => stepFunctionsTask({ schema: {} as never })).toThrow(
    /^stepFunctionsTask: schema is no Standard/,
  )
  expect(() => stepFunctionsTask({ maxResultBytes: 0 })).toThrow(/^stepFunctionsTask: maxResultBytes is 0/)
  expect(() => stepFunctionsTask({ offload: {} as never })).toThrow(
    /^stepFunctionsTask: offload.bucket is missing/,
  )
})
