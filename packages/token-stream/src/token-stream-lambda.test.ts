/** Under AWS's own runtime client, against the local Bedrock endpoint. */

import { type BedrockOptions, type FunctionDefinition, type Local, startLocal } from 'sluice/local'
import { afterEach, describe, expect, test } from 'vitest'
import type { ChatEvent } from './fixtures/chat.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Line {
  readonly requestId?: string
  readonly status?: string
  readonly outputTokens?: number
  readonly error?: string
  readonly maxRSS?: number
  readonly begins?: number
}

interface Started {
  readonly local: Local<'chat', never, never>
  readonly lines: Line[]
}

async function start(
  bedrock: BedrockOptions = {},
  options: object = {},
  definition: Partial<FunctionDefinition> = {},
): Promise<Started> {
  const lines: Line[] = []
  const local = await startLocal({
    bedrock: { latency: 'none', models: { 'test.chat': { maxTokens: 1e9 } }, ...bedrock },
    functions: {
      chat: {
        handler: new URL('./fixtures/chat.ts', import.meta.url),
        timeoutMs: 30_000,
        concurrency: 1,
        environment: { TOKEN_STREAM: JSON.stringify(options) },
        ...definition,
      },
    },
    onLog({ text }) {
      if (text.startsWith('{')) lines.push(JSON.parse(text))
    },
  })
  closers.push(() => local.close())
  return { local, lines }
}

/** Many words, one after the other. */
async function* endless() {
  for (;;) {
    yield ['word ']
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const pace = { firstTokenMs: 0, tokensPerSecond: 200, jitter: 0 } as const

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function eventsOf(body: string) {
  return body
    .split('\n\n')
    .filter((block) => block.startsWith('event'))
    .map((block) => {
      const [, type, data] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? []
      return { type, ...(JSON.parse(data ?? '{}') as { code?: string; text?: string; usage?: object }) }
    })
}

describe.for(['model', 'client', 'lazy'] as const)('%s', (way) => {
  test('streams events and ends with a done; the usage is what the endpoint counted', async () => {
    const { local } = await start()
    const { body, ended, ...head } = await local.functions.chat.invokeStream({ way } satisfies ChatEvent)
    expect(head).toMatchObject({
      statusCode: way === 'lazy' ? 202 : 200,
      contentType: 'text/event-stream; charset=utf-8',
    })
    const events = eventsOf(await text(body))
    expect((await ended).error).toBeUndefined()
    const { inputTokens, outputTokens } = local.bedrock.counters()
    expect(events.at(-1)).toMatchObject({ type: 'done', usage: { inputTokens, outputTokens } })
    expect(events.map((event) => event.text ?? '').join('')).toContain('card')
    if (way === 'lazy') expect(events.map((event) => event.text).join('')).toMatch(/same scope$/)
  })

  test.for([
    ['a cut', { fault: 'cut', afterEvents: 6 }, 'stream_interrupted'],
    ['a reset of the stream', { fault: 'cut', afterEvents: 6, code: 'CANCEL' }, 'stream_interrupted'],
    ['a silent end', { fault: 'truncate', afterEvents: 6 }, 'stream_interrupted'],
    ['a throttle inside', { fault: 'streamException', afterEvents: 6 }, 'stream_interrupted'],
    ['a stall', { fault: 'stall', afterEvents: 6 }, 'deadline_exceeded'],
  ] as const)('%s is an event; the process lives', async ([, fault, code]) => {
    // Long enough for a first token on a busy machine; only a stall has to wait for it.
    const maxDurationMs = fault.fault === 'stall' ? 2_000 : 20_000
    const { local, lines } = await start({ faults: [{ ...fault, first: 1 }] }, { maxDurationMs })
    const broken = await local.functions.chat.invokeStream({ way })
    const events = eventsOf(await text(broken.body))
    expect((await broken.ended).error).toBeUndefined()
    expect(events.at(-1)).toMatchObject({ type: 'error', code, estimated: true, usage: expect.anything() })
    expect(events.filter(({ type }) => type === 'token').length).toBeGreaterThan(0)
    expect(events.map(({ type }) => type)).not.toContain('done')
    await local.bedrock.idle()

    const next = await local.functions.chat.invokeStream({ way })
    expect(eventsOf(await text(next.body)).at(-1)).toMatchObject({ type: 'done' })
    await next.ended
    expect(local.functions.chat.sandboxes()).toHaveLength(1)
    await local.close()
    const metered = lines.filter(({ status }) => status)
    expect(metered).toMatchObject([
      { requestId: broken.requestId, status: 'failed', error: code },
      { requestId: next.requestId, status: 'answered' },
    ])
  })
})

test('a generator that throws is an event, too, and only its code is told', async () => {
  const { local } = await start()
  const { body, ended } = await local.functions.chat.invokeStream({ way: 'throws' } satisfies ChatEvent)
  expect(eventsOf(await text(body))).toEqual([
    { type: 'token', text: 'a word' },
    { type: 'error', code: 'unexpected', message: 'The answer broke off before its end.', retryable: false },
  ])
  const { error, logs } = await ended
  expect(error).toBeUndefined()
  expect(logs.join('\n')).toContain('(RangeError)')
  expect(logs.join('\n')).not.toContain('of the generator')
})

test('a failure before the first byte is an error of the invocation, as without us', async () => {
  const { local } = await start({ faults: [{ fault: 'throttle' }] })
  const failed = await local.functions.chat.invokeStream({ way: 'fails' } satisfies ChatEvent)
  await text(failed.body)
  expect((await failed.ended).error).toMatchObject({ errorType: 'RangeError' })
  const throttled = await local.functions.chat.invokeStream({} satisfies ChatEvent)
  await text(throttled.body)
  expect((await throttled.ended).error).toMatchObject({ errorType: 'ModelThrottledError' })
  expect(local.functions.chat.sandboxes()).toHaveLength(1)
})

test('the first bytes are there while the model still generates', async () => {
  const { local } = await start({ latency: pace, model: endless }, { maxTokens: 1e6 })
  const { body, ended } = await local.functions.chat.invokeStream({} satisfies ChatEvent)
  const reader = body[Symbol.asyncIterator]()
  const first = Buffer.from((await reader.next()).value ?? []).toString()
  expect(first).toContain('"word ')
  expect(local.bedrock.counters()).toMatchObject({ open: 1 })
  await local.functions.chat.kill()
  await reader.return?.()
  await ended
})

test('buffered, the same handler answers in one piece, or fails with its error', async () => {
  const { local } = await start(
    { faults: [{ fault: 'truncate', afterEvents: 6, skip: 1 }] },
    {},
    { exportName: 'buffered' },
  )
  const { payload, error } = await local.functions.chat.invoke<{ body: string }>({} satisfies ChatEvent)
  expect(error).toBeUndefined()
  expect(payload).toMatchObject({ statusCode: 200, headers: { 'x-accel-buffering': 'no' } })
  expect(eventsOf(payload?.body ?? '').at(-1)).toMatchObject({ type: 'done' })
  const broken = await local.functions.chat.invoke({} satisfies ChatEvent)
  expect(broken.error).toMatchObject({ errorType: 'StreamInterruptedError' })
  await local.bedrock.idle()
})

test('a handler without the streaming mode is told so', async () => {
  const { local } = await start({}, {}, { exportName: 'mistaken' })
  const { error, logs } = await local.functions.chat.invoke({} satisfies ChatEvent)
  expect(error).toBeDefined()
  expect(logs.join('\n')).toContain('executionMode')
})

/** As much as it is asked for, in pieces that are large for a token: so many fit into the buffers on the way. */
const model: BedrockOptions['model'] = async function* ({ turns }) {
  const pieces = Number(turns.at(-1)?.text)
  for (let i = 0; i < pieces; i++) {
    yield ['x'.repeat(16_000)]
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a slow reader holds the model back', { timeout: 60_000 }, async () => {
  const { local } = await start({ model }, {}, { concurrency: 2 })
  const pieces = 4_000
  const event: ChatEvent = { text: String(pieces) }
  const slow = await local.functions.chat.invokeStream(event)
  const reader = slow.body[Symbol.asyncIterator]()
  await reader.next()
  // In the time that one reader takes for all of it, the other one could have had it as well.
  const fast = await local.functions.chat.invokeStream(event)
  expect(await text(fast.body)).toContain('event: done')
  const { outcomes, open, outputTokens } = local.bedrock.counters()
  expect({ outcomes, open }).toEqual({ outcomes: { ok: 1 }, open: 1 })
  expect(outputTokens - pieces).toBeLessThan(pieces / 2)
  let rest = ''
  for (let step = await reader.next(); !step.done; step = await reader.next()) {
    rest = Buffer.from(step.value).toString().slice(-1_000)
  }
  expect(rest).toContain('event: done')
})

test('100 MB pass with flat memory', { timeout: 60_000 }, async () => {
  // The less memory there is, the less the garbage collector lets lie.
  const { local, lines } = await start({ model }, {}, { memoryMb: 160 })
  for (const megabytes of [25, 100]) {
    // A client's own: what modelInvocation gives keeps its text for answer().
    const event: ChatEvent = { way: 'client', text: String((megabytes * 1_000_000) / 16_000) }
    const { body, ended } = await local.functions.chat.invokeStream(event)
    let bytes = 0
    for await (const chunk of body) bytes += chunk.byteLength
    expect(bytes).toBeGreaterThan(megabytes * 1_000_000)
    expect((await ended).error).toBeUndefined()
  }
  await local.close()
  const [small = 0, large = Infinity] = lines
    .filter(({ status }) => status === 'answered')
    .map(({ maxRSS }) => maxRSS)
  // Kilobytes.
  expect(large - small).toBeLessThan(25_000)
})

test('when the response stream fails, generation stops within 100 ms', async () => {
  const { local } = await start({ latency: pace, model: endless })
  const tookMs: number[] = []
  // The best of three: a machine that is busy elsewhere is none of our doing.
  for (let run = 0; run < 3; run++) {
    const { body, ended } = await local.functions.chat.invokeStream({} satisfies ChatEvent, {
      whenReaderLeaves: 'fail',
    })
    const reader = body[Symbol.asyncIterator]()
    await reader.next()
    const before = performance.now()
    await reader.return?.()
    await local.bedrock.until(({ open }) => open === 0)
    tookMs.push(performance.now() - before)
    await ended
  }
  expect(Math.min(...tookMs)).toBeLessThan(100)
})

test('two streams in one process: each has its own tokens and its own usage', async () => {
  const { local, lines } = await start(
    { latency: pace, faults: [{ fault: 'barrier', count: 2, first: 2 }] },
    {},
    { managedInstances: { maxConcurrency: 2, workerCount: 1 } },
  )
  async function say(word: string) {
    const { body, requestId, ended } = await local.functions.chat.invokeStream({
      way: 'lazy',
      text: `Summarise: the ${word} card was lost on Monday. The ${word} letter is here.`,
    } satisfies ChatEvent)
    return { requestId, events: eventsOf(await text(body)), error: (await ended).error }
  }
  const [one, two] = await Promise.all([say('first'), say('second')])
  expect(local.bedrock.counters().maxOpen).toBe(2)
  for (const [{ events, error, requestId }, own, other] of [
    [one, 'first', 'second'],
    [two, 'second', 'first'],
  ] as const) {
    const said = events.map((event) => event.text ?? '').join('')
    expect(said).toContain(own)
    expect(said).not.toContain(other)
    expect(said).toMatch(/same scope$/)
    expect(error).toBeUndefined()
    const metered = lines.find((line) => line.requestId === requestId)
    expect(events.at(-1)).toMatchObject({ type: 'done', usage: { outputTokens: metered?.outputTokens } })
  }
})
