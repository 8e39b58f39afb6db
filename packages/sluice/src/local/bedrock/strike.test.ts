import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
import {
  clientFor,
  manualClock,
  readStream,
  say,
  startForTest,
  FAULT_TEXT as TEXT,
  TRANSPORTS,
  withFault,
} from './testing.ts'

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('throttle is the modelled exception, with its hint', async () => {
    const { whole, bedrock } = await withFault({ fault: 'throttle', retryAfterMs: 1500 }, transport)
    const error = await whole().catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      name: 'ThrottlingException',
      message: 'Too many requests, please wait before trying again.',
      $metadata: { httpStatusCode: 429 },
    })
    expect((error as { $response: { headers: object } }).$response.headers).toMatchObject({
      'x-amz-retry-after': '1500',
      'retry-after': '2',
    })
    expect(bedrock.counters()).toMatchObject({ outcomes: { throttled: 1 }, outputTokens: 0, open: 0 })
  })

  test('a daily throttle says so', async () => {
    const { stream } = await withFault({ fault: 'throttle', daily: true }, transport)
    await expect(stream()).rejects.toMatchObject({
      name: 'ThrottlingException',
      message: 'Too many tokens per day, please wait before trying again.',
    })
  })

  test.each([
    ['InternalServerException', 500],
    ['ServiceUnavailableException', 503],
    ['BadGateway', 502],
    ['ModelErrorException', 424],
    ['ModelTimeoutException', 408],
    ['ModelNotReadyException', 429],
    ['AccessDeniedException', 403],
  ])('error %s comes with %i', async (name, status) => {
    const { whole, stream } = await withFault({ fault: 'error', name, status }, transport)
    const expected = { name, $metadata: { httpStatusCode: status } }
    await expect(whole()).rejects.toMatchObject(expected)
    await expect(stream()).rejects.toMatchObject(expected)
  })

  test('the SDK retries what is retryable, and the record tells the attempt', async () => {
    const bedrock = await startForTest({
      faults: [{ fault: 'error', name: 'InternalServerException', status: 500, first: 2 }],
    })
    const client = clientFor(bedrock, transport, { maxAttempts: 3 })
    await client.send(new ConverseCommand(say(TEXT)))
    await bedrock.idle()
    expect(bedrock.requests().map(({ sdkAttempt, outcome }) => [sdkAttempt, outcome])).toEqual([
      [1, 'InternalServerException'],
      [2, 'InternalServerException'],
      [3, 'ok'],
    ])
  })

  test('truncate ends without messageStop and without an error', async () => {
    const { stream, bedrock } = await withFault({ fault: 'truncate', afterEvents: 3 }, transport)
    expect(await stream()).toEqual({
      events: ['messageStart', 'contentBlockDelta', 'contentBlockDelta'],
      text: 'One two',
      error: undefined,
    })
    await bedrock.idle()
    expect(bedrock.requests()[0]).toMatchObject({ outcome: 'truncate', fault: 'truncate', aborted: false })
  })

  test('truncate of a whole answer leaves half a body', async () => {
    const { whole } = await withFault({ fault: 'truncate' }, transport)
    await expect(whole()).rejects.toBeInstanceOf(SyntaxError)
  })

  test('midFrame leaves half a frame', async () => {
    const { stream } = await withFault({ fault: 'midFrame', afterEvents: 2, clean: true }, transport)
    const { events, error } = await stream()
    expect(events).toEqual(['messageStart', 'contentBlockDelta'])
    expect(error?.message).toMatch(/Truncated event message received/)
  })

  test('midFrame with a reset fails too', async () => {
    const { stream } = await withFault({ fault: 'midFrame', afterEvents: 2 }, transport)
    const { events, error } = await stream()
    expect(events.length).toBeLessThanOrEqual(2)
    expect(error).toBeInstanceOf(Error)
  })

  test.each(['checksum', 'bytes'] as const)('garbage: %s is noticed', async (what) => {
    const { stream } = await withFault({ fault: 'garbage', afterEvents: 2, what }, transport)
    const { events, error } = await stream()
    expect(events).toEqual(['messageStart', 'contentBlockDelta'])
    expect(error).toBeInstanceOf(Error)
  })

  test('unknownEvent is passed over by the SDK', async () => {
    const { stream, bedrock } = await withFault({ fault: 'unknownEvent', afterEvents: 2 }, transport)
    const { text, events, error } = await stream()
    expect({ text, error }).toEqual({ text: TEXT, error: undefined })
    expect(events.at(-1)).toBe('metadata')
    await bedrock.idle()
    expect(bedrock.requests()[0]).toMatchObject({ outcome: 'ok', fault: 'unknownEvent' })
  })

  test('streamException is the modelled exception, inside the stream', async () => {
    const { stream } = await withFault({ fault: 'streamException', afterEvents: 2 }, transport)
    const { events, error } = await stream()
    expect(events).toEqual(['messageStart', 'contentBlockDelta'])
    expect(error).toMatchObject({ name: 'ThrottlingException', message: /Too many requests/ })
    expect((error as { $metadata?: unknown }).$metadata).toBeUndefined()
  })

  test('streamException can be spelt as the service does not model it', async () => {
    const odd = await withFault(
      { fault: 'streamException', afterEvents: 1, name: 'modelTimeoutException', message: 'slow' },
      transport,
    )
    expect((await odd.stream()).error).toMatchObject({
      name: 'modelTimeoutException',
      message: '{"message":"slow"}',
    })
    const plain = await withFault(
      { fault: 'streamException', afterEvents: 1, name: 'Oops', message: 'slow', unmodelled: true },
      transport,
    )
    expect((await plain.stream()).error).toMatchObject({ name: 'Oops', message: 'slow' })
  })

  test('stall is silence until the client gives up; nothing more is generated', async () => {
    const { stream, bedrock } = await withFault({ fault: 'stall', afterEvents: 3 }, transport)
    const abort = new AbortController()
    const reading = stream(abort.signal)
    await bedrock.until(({ open }) => open === 1)
    abort.abort()
    const { error } = await reading.catch((cause: Error) => ({ error: cause }))
    // Over HTTP/2 an abort ends the loop as if the stream were complete.
    if (transport === 'http1') expect(error).toMatchObject({ name: 'AbortError' })
    await bedrock.idle()
    expect(bedrock.requests()[0]).toMatchObject({ outcome: 'aborted', fault: 'stall', aborted: true })
  })

  test('stall for a while only delays, and slowStart delays the headers', async () => {
    const clock = manualClock()
    const bedrock = await startForTest({
      clock,
      faults: [
        { fault: 'stall', ms: 50, first: 1 },
        { fault: 'slowStart', ms: 70 },
      ],
    })
    const client = clientFor(bedrock, transport)
    const stalled = client.send(new ConverseStreamCommand(say(TEXT)))
    await clock.sleeping()
    clock.advance(50)
    expect(await readStream(await stalled)).toMatchObject({ text: TEXT, error: undefined })
    const slow = client.send(new ConverseStreamCommand(say(TEXT)))
    await clock.sleeping()
    clock.advance(70)
    expect(await readStream(await slow)).toMatchObject({ text: TEXT, error: undefined })
    await bedrock.idle()
    expect(bedrock.requests().map(({ fault, outcome, totalMs }) => [fault, outcome, totalMs])).toEqual([
      ['stall', 'ok', 50],
      ['slowStart', 'ok', 70],
    ])
  })

  test('blackhole never answers, and swallows the connection', async () => {
    const { bedrock, client } = await withFault({ fault: 'blackhole', first: 1 }, transport)
    const abort = new AbortController()
    const swallowed = client.send(new ConverseCommand(say(TEXT)), { abortSignal: abort.signal })
    await bedrock.until(({ outcomes }) => outcomes.blackhole === 1)
    abort.abort()
    await expect(swallowed).rejects.toMatchObject({ name: 'AbortError' })
    expect(bedrock.counters()).toMatchObject({ open: 0, requests: 1 })
  })

  test('barrier holds answers until all are there', async () => {
    const { whole, bedrock } = await withFault({ fault: 'barrier', count: 8 }, transport)
    const seven = Array.from({ length: 7 }, () => whole())
    await bedrock.until(({ open }) => open === 7)
    expect(bedrock.counters().outcomes).toEqual({})
    await Promise.all([...seven, whole()])
    await bedrock.idle()
    expect(bedrock.counters()).toMatchObject({ maxOpen: 8, outcomes: { ok: 8 } })
  })

  test('one who leaves the barrier is no longer counted', async () => {
    const { whole, bedrock } = await withFault({ fault: 'barrier', count: 2 }, transport)
    const abort = new AbortController()
    const leaver = whole(abort.signal)
    await bedrock.until(({ open }) => open === 1)
    abort.abort()
    await expect(leaver).rejects.toThrow()
    await bedrock.idle()
    const first = whole()
    await bedrock.until(({ open }) => open === 1)
    expect(bedrock.counters().outcomes).toEqual({ aborted: 1 })
    await Promise.all([first, whole()])
  })
})
