import { expect, test } from 'vitest'
import { startFixture, startMeeting } from './testing.ts'

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('a plain stream', async () => {
  const streaming = await startFixture('streaming.ts')
  const { body, statusCode, contentType, ended } = await streaming.invokeStream({ chunks: ['a', 'b'] })
  expect({ statusCode, contentType }).toEqual({
    statusCode: undefined,
    contentType: 'application/octet-stream',
  })
  expect(await textOf(body)).toBe('ab')
  expect(await ended).toMatchObject({ error: undefined })
})

test('an HTTP prelude is taken off the stream', async () => {
  const streaming = await startFixture('streaming.ts')
  const http = { statusCode: 418, headers: { 'Content-Type': 'text/event-stream' }, cookies: ['a=b'] }
  const result = await streaming.invokeStream({ http, chunks: ['tea\0', 'pot'] })
  expect(result).toMatchObject({ ...http, contentType: 'text/event-stream' })
  expect(await textOf(result.body)).toBe('tea\0pot')
})

test('the first bytes are there while the handler still writes', async () => {
  const meeting = await startMeeting()
  const streaming = await startFixture('streaming.ts')
  const { body } = await streaming.invokeStream({ watch: { url: meeting.url, chunks: 2 } })
  const reader = body[Symbol.asyncIterator]()
  expect(Buffer.from((await reader.next()).value ?? '').toString()).toBe('0\n')
  await meeting.arrived(1)
  meeting.release()
  expect(Buffer.from((await reader.next()).value ?? '').toString()).toBe('1\n')
  await meeting.arrived(1)
  meeting.release()
  expect(await reader.next()).toMatchObject({ done: true })
})

test.for(['before', 'after'] as const)('an error %s the first byte comes in the trailers', async (fail) => {
  const streaming = await startFixture('streaming.ts')
  const { body, ended } = await streaming.invokeStream({ chunks: ['a'], fail })
  expect(await textOf(body)).toBe(fail === 'before' ? '' : 'a')
  const { error } = await ended
  expect(error).toMatchObject({ errorType: 'RangeError', errorMessage: `failed ${fail}` })
  expect(error?.trace.length).toBeGreaterThan(1)
  expect(await streaming.invoke({ chunks: ['b'] })).toMatchObject({ coldStart: false, payload: 'b' })
})

test('invoke reads a streaming handler to its end', async () => {
  const streaming = await startFixture('streaming.ts')
  const http = { statusCode: 200, headers: { 'x-a': 'b' }, cookies: [] }
  expect(await streaming.invoke({ http, chunks: ['a', 'b'] })).toMatchObject({
    payload: { ...http, body: 'ab' },
  })
  expect((await streaming.invoke({ chunks: ['a'], fail: 'after' })).error?.errorType).toBe('RangeError')
})

test('a function that does not stream answers in one piece', async () => {
  const echo = await startFixture('echo.ts')
  const { body, contentType, ended } = await echo.invokeStream({ a: 1 })
  expect(contentType).toBe('application/json')
  expect(JSON.parse(await textOf(body))).toMatchObject({ event: { a: 1 } })
  expect(await ended).toMatchObject({ error: undefined })
})

test('an init error ends a stream that never began', async () => {
  const broken = await startFixture('broken-init.ts')
  const { body, ended } = await broken.invokeStream({})
  expect(await textOf(body)).toBe('')
  expect((await ended).error?.errorType).toBe('TypeError')
})

test('a reader that leaves is no event for the function', async () => {
  const meeting = await startMeeting()
  const streaming = await startFixture('streaming.ts', { timeoutMs: 10_000 })
  const { body, ended } = await streaming.invokeStream({ watch: { url: meeting.url, chunks: 3 } })
  for await (const _chunk of body) break
  for (let chunk = 0; chunk < 3; chunk += 1) {
    await meeting.arrived(1)
    meeting.release()
  }
  const { error, logs } = await ended
  expect(error).toBeUndefined()
  expect(logs.join()).toContain('seen before the end: nothing')
  expect(await streaming.invoke({ chunks: ['next'] })).toMatchObject({ coldStart: false, payload: 'next' })
})

test.for(['leaves the loop', 'aborts'] as const)(
  'on demand the stream fails when its reader %s',
  async (way) => {
    const meeting = await startMeeting()
    const streaming = await startFixture('streaming.ts', { timeoutMs: 10_000 })
    const abort = new AbortController()
    const event = { watch: { url: meeting.url, chunks: 3 } }
    const options = { whenReaderLeaves: 'fail', signal: abort.signal } as const
    const { body, ended } = await streaming.invokeStream(event, options)
    if (way === 'aborts') abort.abort()
    else for await (const _chunk of body) break
    // The runtime client leaves the failed request's promise to nobody, so its process ends, as it would on AWS.
    expect((await ended).error?.errorType).toBe('Runtime.ExitError')
    expect(await streaming.invoke({ chunks: ['next'] })).toMatchObject({ coldStart: true, payload: 'next' })
  },
)

test('the deadline cuts a stream', async () => {
  const meeting = await startMeeting()
  const streaming = await startFixture('streaming.ts', { timeoutMs: 300 })
  const { body, ended } = await streaming.invokeStream({ watch: { url: meeting.url, chunks: 9 } })
  expect(await textOf(body)).toBe('0\n')
  expect((await ended).error?.errorType).toBe('Sandbox.Timedout')
})

test('a body that fails midway under Middy kills the process without trailers; the next event works', async () => {
  const meeting = await startMeeting()
  const words = await startFixture('middy-streaming.ts')
  const good = await words.invokeStream({})
  expect(good).toMatchObject({ statusCode: 201, headers: { 'x-kind': 'words' }, contentType: 'text/plain' })
  expect(await textOf(good.body)).toBe('one two three')
  const bad = await words.invokeStream({ failAt: meeting.url })
  expect(bad.statusCode).toBe(201)
  await meeting.arrived(1)
  meeting.release()
  expect(await textOf(bad.body)).toBe('one two ')
  expect((await bad.ended).error).toMatchObject({
    errorType: 'Runtime.ExitError',
    errorMessage: expect.stringContaining('exit status 1'),
  })
  expect(await textOf((await words.invokeStream({})).body)).toBe('one two three')
})
