import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { FaultRule } from './faults.ts'
import { faultRules } from './faults.ts'
import { clientFor, MODEL, manualClock, readStream, say, startForTest, TRANSPORTS } from './testing.ts'

const TEXT = 'One two three four five.'

async function withFault(rule: FaultRule, transport: (typeof TRANSPORTS)[number]) {
  const bedrock = await startForTest({ faults: [rule] })
  const client = clientFor(bedrock, transport)
  return {
    bedrock,
    client,
    whole: (signal?: AbortSignal) =>
      client.send(new ConverseCommand(say(TEXT)), signal && { abortSignal: signal }),
    stream: async (signal?: AbortSignal) =>
      readStream(await client.send(new ConverseStreamCommand(say(TEXT)), signal && { abortSignal: signal })),
  }
}

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

describe('rules', () => {
  const subject = { modelId: MODEL, operation: 'converse', transport: 'http2', inputTokens: 1 } as const
  const strikes = (rule: Partial<FaultRule>, count = 10) => {
    const faults = faultRules([{ fault: 'refuse', ...rule } as FaultRule], Math.random)
    return Array.from({ length: count }, (_, index) => index + 1).filter(() => faults.pick(subject))
  }

  test.each<[Partial<FaultRule>, number[]]>([
    [{ first: 2 }, [1, 2]],
    [{ skip: 8 }, [9, 10]],
    [{ every: 4 }, [4, 8]],
    [{ skip: 1, first: 5, every: 2 }, [3, 5]],
    [{ probability: 0 }, []],
    [{ probability: 1, first: 1 }, [1]],
    [{ model: 'other' }, []],
    [{ model: 'eu.anthropic.*', first: 1 }, [1]],
    [{ operation: 'invoke' }, []],
    [{ operation: ['invoke', 'converse'], first: 1 }, [1]],
    [{ when: ({ inputTokens }) => inputTokens > 1 }, []],
  ])('%o strikes %o', (rule, expected) => {
    expect(strikes(rule)).toEqual(expected)
  })

  test('the first rule that matches decides, and only it is counted', () => {
    const faults = faultRules(
      [
        { fault: 'refuse', first: 1 },
        { fault: 'blackhole', first: 1 },
      ],
      Math.random,
    )
    const struck = () => faults.pick(subject)?.fault.fault
    expect([struck(), struck(), struck()]).toEqual(['refuse', 'blackhole', undefined])
    faults.reset()
    expect(struck()).toBe('refuse')
  })

  test('what only a stream can suffer passes whole answers by', () => {
    expect(strikes({ fault: 'streamException' })).toEqual([])
  })

  test('a seed makes chance repeat', async () => {
    const run = async () => {
      const bedrock = await startForTest({ seed: 7, faults: [{ fault: 'throttle', probability: 0.5 }] })
      const client = clientFor(bedrock)
      for (let turn = 0; turn < 20; turn++) await client.send(new ConverseCommand(say('Hi.'))).catch(() => {})
      await bedrock.idle()
      return bedrock.requests().map(({ outcome }) => outcome)
    }
    const outcomes = await run()
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'throttled']))
    expect(await run()).toEqual(outcomes)
  })

  test.each([
    [{ fault: 'error', name: 'X' }, 'an error needs name and status'],
    [{ fault: 'barrier' }, 'a barrier needs a count'],
    [{ fault: 'slowStart' }, 'a slow start needs ms'],
    [{ fault: 'refuse', every: 0 }, 'every is 0'],
    [{ fault: 'cut', afterEvents: -1 }, 'afterEvents is -1'],
    [null, 'there is no fault'],
  ])('%o is refused', (rule, message) => {
    expect(() => faultRules([rule as never], Math.random)).toThrow(message)
  })
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
