import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { SluiceError } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { memoryCacheStore } from '@sluice/store'
import type { Context } from 'aws-lambda'
import { type BedrockOptions, startBedrock } from 'sluice/local'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cancelStream } from './cancel.ts'
import { type TokenStreamOptions, tokenStream } from './token-stream.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const modelId = 'us.amazon.nova-lite-v1:0'
const prompt = 'Summarise: my card was lost on Monday in Leeds, and nobody helps me.'
const messages = [{ role: 'user' as const, content: [{ text: prompt }] }]

async function startClient(options: BedrockOptions = {}) {
  const endpoint = await startBedrock({ latency: 'none', ...options })
  const client = new BedrockRuntimeClient({
    endpoint: endpoint.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  closers.push(
    () => endpoint.close(),
    () => client.destroy(),
  )
  return { endpoint, client }
}

interface Response {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
}

let requests = 0

/** One invocation of a handler that does not stream. */
async function answer(
  handler: (event: unknown, context: Context) => unknown,
  options: TokenStreamOptions = {},
  context: Partial<Context> & { cost?: unknown } = {},
): Promise<Response> {
  const run = middy().use(tokenStream(options)).handler(handler)
  return (await run({ body: prompt }, { awsRequestId: `r${++requests}`, ...context } as Context)) as Response
}

function events({ body }: Response) {
  return body
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, type, data] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? []
      return { type, ...(JSON.parse(data ?? '{}') as object) }
    })
}

async function* strings(...items: readonly unknown[]): AsyncGenerator<unknown> {
  yield* items
}

const silent = { onFailure() {} }

describe('what a handler may return', () => {
  test('the stream of modelInvocation', async () => {
    const { client, endpoint } = await startClient()
    const handler = middy<{ body: string }>()
      .use(tokenStream())
      .use(modelInvocation({ model: bedrock(modelId, { client, maxTokens: 8 }) }))
      .handler(({ body }, { model }) => model.stream(body))
    const response = await handler({ body: prompt }, { awsRequestId: 'm' } as never)
    const all = events(response as never)
    expect(all.filter(({ type }) => type === 'token').length).toBeGreaterThan(0)
    expect(all.slice(-2)).toMatchObject([
      { type: 'usage', outputTokens: 8 },
      { type: 'done', stopReason: 'max_tokens', usage: { outputTokens: endpoint.counters().outputTokens } },
    ])
  })

  test.for(['guarded', 'bare'] as const)('the output of a %s client', async (kind) => {
    const { client, endpoint } = await startClient()
    if (kind === 'guarded') guarded(client)
    const command = () => new ConverseStreamCommand({ modelId, messages, inferenceConfig: { maxTokens: 8 } })
    for (const handler of [() => client.send(command()), async () => (await client.send(command())).stream]) {
      endpoint.reset()
      const all = events(await answer(handler))
      const { inputTokens } = endpoint.counters()
      // What is not guarded is not seen either.
      const usage = kind === 'guarded' ? { outputTokens: 8, inputTokens } : undefined
      expect(all.at(-1)).toMatchObject({ type: 'done', stopReason: 'max_tokens', ...(usage && { usage }) })
    }
  })

  test('an object with a body: its status and headers stay', async () => {
    const response = await answer(
      () => ({ statusCode: 201, headers: { 'x-a': 'b' }, cookies: ['c=d'], body: strings('a', 'b') }),
      { format: 'text', headers: { 'x-e': 'f' } },
    )
    expect(response).toMatchObject({
      statusCode: 201,
      headers: { 'x-a': 'b', 'x-e': 'f', 'content-type': 'text/plain; charset=utf-8' },
      cookies: ['c=d'],
      body: 'ab',
    })
  })

  test.for([undefined, 'text', { statusCode: 400, body: 'no' }, { label: 'a' }])(
    '%o passes as it is',
    async (response) => {
      expect(await answer(() => response)).toEqual(response)
    },
  )

  test('a body with a type of its own passes as it is', async () => {
    const body = strings('png')
    const response = { statusCode: 200, headers: { 'Content-Type': 'image/png' }, body }
    expect((await answer(() => response)).body).toBe(body)
  })
})

describe('an answer that leaves whole', () => {
  test('has the bytes of the streamed one, or is JSON; a function may decide', async () => {
    const options = (delivery: TokenStreamOptions['delivery']): TokenStreamOptions => ({
      ...(delivery && { delivery }),
    })
    const whole = 'event: token\ndata: {"text":"ab"}\n\nevent: done\ndata: {}\n\n'
    const handler = () => strings('a', 'b')
    expect((await answer(handler)).body.replace('"}\n\nevent: token\ndata: {"text":"', '')).toBe(whole)
    const json = await answer(
      handler,
      options(() => 'json'),
    )
    expect(json).toMatchObject({ headers: { 'content-type': 'application/json' }, body: '{"text":"ab"}' })
  })

  test('fails with a status, not with an event', async () => {
    const { client } = await startClient({ faults: [{ fault: 'truncate', afterEvents: 3 }] })
    // A bare client does not notice: the stream has no last word, and that is enough.
    const failing = answer(() => client.send(new ConverseStreamCommand({ modelId, messages })), silent)
    await expect(failing).rejects.toMatchObject({ name: 'StreamInterruptedError', statusCode: 502 })
  })

  test('is no larger than Lambda lets through', async () => {
    async function* endless() {
      for (;;) yield 'x'.repeat(100_000)
    }
    await expect(answer(endless, { format: 'text' })).rejects.toMatchObject({ code: 'payload_too_large' })
  })
})

/** Under Middy's streaming mode, with a response that the test holds. */
describe('a streamed answer', () => {
  function stream(source: AsyncIterable<unknown>, options: TokenStreamOptions = {}, context: object = {}) {
    const failures: SluiceError[] = []
    return {
      failures,
      async response() {
        const response = (await answer(
          () => source,
          { delivery: 'stream', onFailure: (failure) => failures.push(failure), ...options },
          context,
        )) as unknown as { body: AsyncIterable<string> }
        let body = ''
        for await (const chunk of response.body) body += chunk
        return events({ body } as Response)
      },
    }
  }

  test('a failure is an event that tells nothing but what it may', async () => {
    async function* failing() {
      yield 'a'
      throw new SyntaxError('Unexpected token in "the secret answer"')
    }
    const { response, failures } = stream(failing())
    expect(await response()).toEqual([
      { type: 'token', text: 'a' },
      {
        type: 'error',
        code: 'unexpected',
        message: 'The answer broke off before its end.',
        retryable: false,
      },
    ])
    expect(failures).toMatchObject([{ code: 'unexpected', cause: expect.any(SyntaxError) }])
  })

  test('a message that is made for the reader reaches him', async () => {
    async function* failing() {
      yield 'a'
      throw new SluiceError('Your budget is used up.', { code: 'budget_exceeded', statusCode: 402 })
    }
    const { response } = stream(failing())
    expect((await response()).at(-1)).toMatchObject({
      code: 'budget_exceeded',
      message: 'Your budget is used up.',
    })
  })

  test('without onFailure the log has the kind of error and no word of its message', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    async function* failing() {
      yield 'a'
      throw new SyntaxError('the secret answer')
    }
    const response = (await answer(failing, { delivery: 'stream' })) as unknown as {
      body: AsyncIterable<string>
    }
    for await (const _ of response.body);
    const { inspect } = await import('node:util')
    const printed = log.mock.calls.flat().map((item) => (typeof item === 'string' ? item : inspect(item)))
    log.mockRestore()
    expect(printed.join(' ')).toContain('SyntaxError')
    expect(printed.join(' ')).not.toContain('secret')
  })

  test('ends after maxTokens, as far as they can be told', async () => {
    const { response, failures } = stream(strings(...Array.from({ length: 50 }, () => 'seven ch')), {
      maxTokens: 10,
    })
    const all = await response()
    expect(all.at(-1)).toMatchObject({ type: 'error', code: 'payload_too_large' })
    const text = all.map((event) => ('text' in event ? event.text : '')).join('')
    expect(text.length).toBeGreaterThanOrEqual(35)
    expect(text.length).toBeLessThanOrEqual(48)
    expect(failures).toHaveLength(1)
  })

  test('ends after maxTokens of the model, whose generation stops', async () => {
    const { client, endpoint } = await startClient({
      latency: { firstTokenMs: 0, tokensPerSecond: 500, jitter: 0 },
      models: { [modelId]: {} },
    })
    guarded(client)
    const input = {
      modelId,
      messages: [{ role: 'user' as const, content: [{ text: `${prompt} `.repeat(40) }] }],
    }
    const all = events(
      await (async () => {
        const response = (await answer(() => client.send(new ConverseStreamCommand(input)), {
          delivery: 'stream',
          maxTokens: 5,
          ...silent,
        })) as unknown as { body: AsyncIterable<string> }
        let body = ''
        for await (const chunk of response.body) body += chunk
        return { body } as Response
      })(),
    )
    expect(all.at(-1)).toMatchObject({ code: 'payload_too_large', estimated: true })
    const { usage } = all.at(-1) as unknown as { usage: { outputTokens: number } }
    expect(usage.outputTokens).toBeGreaterThan(5)
    expect(usage.outputTokens).toBeLessThan(12)
    await endpoint.idle()
    expect(endpoint.counters().outcomes).toEqual({ aborted: 1 })
  })

  test.for([
    ['maxDurationMs', { maxDurationMs: 700 }, 60_000],
    ['the deadline, less the time for the last words', {}, 950],
  ] as const)('ends after %s, also while it waits', async ([, options, remainingMs]) => {
    const clock = fakeClock()
    async function* stalled() {
      yield 'a'
      await new Promise(() => {})
    }
    const { response } = stream(
      stalled(),
      { ...options, clock },
      { getRemainingTimeInMillis: () => remainingMs },
    )
    const reading = response()
    let ended = false
    reading.then(() => {
      ended = true
    })
    await clock.advance(699)
    expect(ended).toBe(false)
    await clock.advance(1)
    expect((await reading).at(-1)).toMatchObject({ type: 'error', code: 'deadline_exceeded' })
    expect(clock.pending).toBe(0)
  })

  test('is stopped by its reader, which is no failure', async () => {
    const clock = fakeClock()
    const store = memoryCacheStore()
    async function* stalled() {
      yield 'a'
      await new Promise(() => {})
    }
    const cancel = { store, key: (event: unknown) => (event as { body: string }).body }
    const { response, failures } = stream(stalled(), { clock, cancel })
    const reading = response()
    await clock.advance(1_400)
    await cancelStream(store, prompt)
    await clock.advance(100)
    expect((await reading).at(-1)).toEqual({
      type: 'error',
      code: 'aborted',
      message: 'The stream was stopped.',
      retryable: false,
    })
    expect(failures).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('that ends by itself leaves no timer behind', async () => {
    const clock = fakeClock()
    const cancel = { store: memoryCacheStore(), key: () => 'k' }
    const { response } = stream(strings('a', 'b'), { clock, cancel, maxDurationMs: 60_000 })
    await response()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  test('whose response fails stops the model within 100 ms', async () => {
    const latency = { firstTokenMs: 0, tokensPerSecond: 50, jitter: 0 }
    const { client, endpoint } = await startClient({ latency })
    guarded(client)
    const command = new ConverseStreamCommand({ modelId, messages })
    const tookMs: number[] = []
    // The best of three: a machine that is busy elsewhere is none of our doing.
    for (let run = 0; run < 3; run++) {
      const response = await answer(() => client.send(command), { delivery: 'stream' })
      const body = response.body as unknown as Readable
      await once(body, 'readable')
      const before = performance.now()
      body.on('error', () => {}).destroy(new Error('of the socket'))
      await endpoint.idle()
      tookMs.push(performance.now() - before)
    }
    expect(Math.min(...tookMs)).toBeLessThan(100)
    expect(endpoint.counters().outcomes).toEqual({ aborted: 3 })
  })

  test('that may last longer than a timer can wait is not over at once', async () => {
    const { response } = stream(strings('a'), { maxDurationMs: 2 ** 40 })
    expect((await response()).at(-1)).toEqual({ type: 'done' })
  })

  test('that nobody takes, because a later hook failed, is left with its invocation', async () => {
    const clock = fakeClock()
    let left = false
    async function* waiting() {
      try {
        yield 'a'
        await new Promise(() => {})
      } finally {
        left = true
      }
    }
    const source = waiting()
    await source.next()
    const handler = middy()
      .after(() => {
        throw new RangeError('of the hook')
      })
      .use(tokenStream({ delivery: 'stream', maxDurationMs: 60_000, clock }))
      .handler(() => source)
    await expect(handler({}, { awsRequestId: 'n' } as never)).rejects.toThrow('of the hook')
    await clock.advance(0)
    expect([left, clock.pending]).toEqual([true, 0])
  })

  test('that is over stops what its generator is waiting for, before it says what that took', async () => {
    const clock = fakeClock()
    const { client, endpoint } = await startClient({ faults: [{ fault: 'stall', afterEvents: 4 }] })
    guarded(client)
    async function* waiting() {
      const { stream: events = [] } = await client.send(new ConverseStreamCommand({ modelId, messages }))
      yield* events
    }
    const { response } = stream(waiting(), { clock, maxDurationMs: 1_000 })
    const reading = response()
    await endpoint.until(({ outputTokens }) => outputTokens >= 3)
    await clock.advance(1_000)
    const last = (await reading).at(-1)
    expect(last).toMatchObject({ code: 'deadline_exceeded', estimated: true, usage: expect.anything() })
    await endpoint.idle()
  })

  test.for<[string, TokenStreamOptions, object, object]>([
    ['what a meter left on the context', {}, { cost: { costUsd: '0.0012' } }, { cost: '0.0012' }],
    [
      'what it leaves in a while',
      {},
      { cost: { costUsd: '0.0012', unpriced: 0, settled: () => Promise.resolve() } },
      { cost: '0.0012' },
    ],
    ['nothing where a part has no price', {}, { cost: { costUsd: '0.0012', unpriced: 1 } }, {}],
    ['an option', { cost: () => 0.5 }, {}, { cost: 0.5 }],
    ['a promise', { cost: async () => ({ usd: 1 }) }, {}, { cost: { usd: 1 } }],
    ['one that fails', { cost: () => Promise.reject(new Error('no')) }, {}, {}],
    ['one that JSON does not know', { cost: () => 1n }, {}, {}],
  ])('tells its cost at the end: %s', async ([, options, context, expected]) => {
    const { response } = stream(strings('a'), options, context)
    expect((await response()).at(-1)).toEqual({ type: 'done', ...expected })
  })

  test('does not wait for ever for its cost', async () => {
    const { response } = stream(strings('a'), { cost: () => new Promise(() => {}) })
    expect((await response()).at(-1)).toEqual({ type: 'done' })
  })
})

describe('options', () => {
  test.for<[object, string]>([
    [{ format: 'xml' }, 'format is xml'],
    [{ delivery: 'later' }, 'delivery is later'],
    [{ coalesceMs: -1 }, 'coalesceMs is -1'],
    [{ heartbeatMs: Number.NaN }, 'heartbeatMs is NaN'],
    [{ maxDurationMs: 0 }, 'maxDurationMs is 0'],
    [{ maxTokens: '7' }, 'maxTokens is 7'],
    [{ cancel: { key: () => 'a' } }, 'cancel.store is null'],
    [{ cancel: { store: memoryCacheStore() } }, 'cancel.key is null'],
    [{ cancel: { store: memoryCacheStore(), key: () => 'a', pollMs: 0 } }, 'cancel.pollMs is 0'],
  ])('%o is refused', ([options, message]) => {
    expect(() => tokenStream(options as TokenStreamOptions)).toThrow(new RegExp(`^tokenStream: ${message}`))
  })
})
