import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { expect, onTestFinished, test } from 'vitest'
import type { FaultRule } from './faults.ts'
import {
  clientFor,
  MODEL,
  readStream,
  say,
  startForTest,
  FAULT_TEXT as TEXT,
  TRANSPORTS,
  withFault,
} from './testing.ts'

test('cut over HTTP/1.1 resets the connection', async () => {
  const { stream, whole, bedrock } = await withFault({ fault: 'cut', afterEvents: 3 }, 'http1')
  const { events, error } = await stream()
  expect(events.length).toBeLessThanOrEqual(3)
  expect(error).toMatchObject({ code: 'ECONNRESET' })
  await expect(whole()).rejects.toMatchObject({ code: 'ECONNRESET' })
  await bedrock.idle()
  expect(bedrock.counters().outcomes).toEqual({ cut: 2 })
})

test.each([
  ['connection', undefined, false],
  ['CANCEL', 'CANCEL', false],
  ['NO_ERROR', 'NO_ERROR', false],
  ['INTERNAL_ERROR', 'INTERNAL_ERROR', true],
] as const)('cut over HTTP/2 (%s): an error shows: %o', async (_what, code, shows) => {
  const rule: FaultRule = { fault: 'cut', afterEvents: 3, ...(code && { code }) }
  const { stream, bedrock } = await withFault(rule, 'http2')
  const { events, error } = await stream()
  expect(events).toEqual(['messageStart', 'contentBlockDelta', 'contentBlockDelta'])
  expect(error !== undefined).toBe(shows)
  await bedrock.idle()
  expect(bedrock.requests()[0]).toMatchObject({ outcome: 'cut', aborted: false })
})

test.each(['CANCEL', 'INTERNAL_ERROR', 'NO_ERROR', 'REFUSED_STREAM'] as const)(
  'a stream cut with %s is reset with that code',
  async (code) => {
    const bedrock = await startForTest({ faults: [{ fault: 'cut', afterEvents: 2, code }] })
    const session = connect(bedrock.url)
    onTestFinished(() => session.destroy())
    const stream = session.request({ ':method': 'POST', ':path': `/model/${MODEL}/converse-stream` })
    stream.on('error', () => {})
    let received = 0
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    stream.end(JSON.stringify({ messages: say(TEXT).messages }))
    await once(stream, 'close').catch(() => {})
    expect(stream.rstCode).toBe(constants[`NGHTTP2_${code}`])
    expect(received).toBeGreaterThan(0)
  },
)

test.each<FaultRule>([{ fault: 'refuse' }, { fault: 'goaway' }, { fault: 'cut', code: 'INTERNAL_ERROR' }])(
  '%o before the answer sends no headers',
  async (rule) => {
    const bedrock = await startForTest({ faults: [rule] })
    const session = connect(bedrock.url)
    onTestFinished(() => session.destroy())
    const stream = session.request({ ':method': 'POST', ':path': `/model/${MODEL}/converse` })
    let answered = false
    stream.on('response', () => {
      answered = true
    })
    stream.end(JSON.stringify({ messages: say(TEXT).messages }))
    await expect(once(stream, 'close')).rejects.toThrow(/REFUSED_STREAM|INTERNAL_ERROR/)
    expect(answered).toBe(false)
    await bedrock.idle()
    expect(bedrock.requests()[0]).toMatchObject({ status: 0, outcome: rule.fault })
  },
)

test('cut before anything is an error on both', async () => {
  for (const transport of TRANSPORTS) {
    const { whole } = await withFault({ fault: 'cut' }, transport)
    const error = (await whole().catch((cause: unknown) => cause)) as Error & { $response?: unknown }
    expect(error).toBeInstanceOf(Error)
    expect(error.$response).toBeUndefined()
  }
})

test('refuse is REFUSED_STREAM, and the session lives on', async () => {
  const { whole, bedrock } = await withFault({ fault: 'refuse', first: 1 }, 'http2')
  await expect(whole()).rejects.toThrow(/REFUSED_STREAM/)
  await whole()
  expect(bedrock.counters().connections).toMatchObject({ http2: 1 })
})

test('goaway before refuses the request; the next one opens another session', async () => {
  const { whole, bedrock } = await withFault({ fault: 'goaway', skip: 1, first: 1 }, 'http2')
  await whole()
  await expect(whole()).rejects.toThrow()
  await whole()
  await bedrock.idle()
  expect(bedrock.counters()).toMatchObject({ connections: { http2: 2 }, outcomes: { ok: 2, goaway: 1 } })
})

test('goaway before refuses also the first request of a session', async () => {
  const { whole } = await withFault({ fault: 'goaway', first: 1 }, 'http2')
  await expect(whole()).rejects.toThrow()
  await whole()
})

test('goaway after answers the request; the next one opens another session', async () => {
  const { stream, bedrock } = await withFault({ fault: 'goaway', processed: true, first: 1 }, 'http2')
  expect(await stream()).toMatchObject({ text: TEXT, error: undefined })
  expect(await stream()).toMatchObject({ text: TEXT, error: undefined })
  expect(bedrock.counters()).toMatchObject({ connections: { http2: 2 }, outcomes: { ok: 2 } })
})

test('over HTTP/1.1 refuse and goaway drop the connection', async () => {
  for (const fault of ['refuse', 'goaway'] as const) {
    const { whole } = await withFault({ fault, first: 1 }, 'http1')
    await expect(whole()).rejects.toMatchObject({ code: 'ECONNRESET' })
    await whole()
  }
})

test('an exception as the first event fails the call itself, and the SDK retries it', async () => {
  const bedrock = await startForTest({ faults: [{ fault: 'streamException', first: 2 }] })
  const client = clientFor(bedrock, 'http2', { maxAttempts: 3 })
  expect(await readStream(await client.send(new ConverseStreamCommand(say(TEXT))))).toMatchObject({
    text: TEXT,
  })
  await bedrock.idle()
  expect(bedrock.counters().outcomes).toEqual({ streamException: 2, ok: 1 })
})

test('those who wait at a barrier go on when the rules change', async () => {
  const { whole, bedrock } = await withFault({ fault: 'barrier', count: 5 }, 'http2')
  const waiting = [whole(), whole()]
  await bedrock.until(({ open }) => open === 2)
  bedrock.setFaults([])
  await Promise.all(waiting)
  await whole()
})

test('thousands of resets on one session are no reason for GOAWAY', async () => {
  const bedrock = await startForTest({ faults: [{ fault: 'stall' }] })
  const session = connect(bedrock.url)
  onTestFinished(() => session.destroy())
  let goaways = 0
  session.on('goaway', () => goaways++)
  for (let turn = 0; turn < 15; turn++) {
    const streams = Array.from({ length: 100 }, () => {
      const stream = session.request({ ':method': 'POST', ':path': `/model/${MODEL}/converse` })
      stream.on('error', () => {})
      stream.end(JSON.stringify({ messages: say(TEXT).messages }))
      return stream
    })
    await bedrock.until(({ open }) => open === 100)
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
    await bedrock.idle()
  }
  expect(goaways).toBe(0)
  expect(bedrock.counters().outcomes).toEqual({ aborted: 1500 })
})

test('a swallowed session answers neither its other requests nor a ping', async () => {
  const bedrock = await startForTest({ faults: [{ fault: 'blackhole', first: 1 }] })
  const session = connect(bedrock.url)
  onTestFinished(() => session.destroy())
  session.on('error', () => {})
  const ask = () => {
    const stream = session.request({ ':method': 'POST', ':path': `/model/${MODEL}/converse` })
    stream.on('error', () => {})
    stream.end(JSON.stringify({ messages: say(TEXT).messages }))
  }
  ask()
  await bedrock.until(({ outcomes }) => outcomes.blackhole === 1)
  ask()
  let answered = false
  session.ping(() => {
    answered = true
  })
  const other = clientFor(bedrock)
  for (let turn = 0; turn < 3; turn++) await other.send(new ConverseStreamCommand(say(TEXT))).then(readStream)
  expect(bedrock.counters().requests).toBe(1 + 3)
  expect(answered).toBe(false)
})
