import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  type AttemptPolicy,
  type CallOutcome,
  callModel,
  type ModelRequest,
  type ModelResponse,
  ModelThrottledError,
  noUsage,
  type Policy,
  runInScope,
  type Scope,
  type ScopeOptions,
  type Sent,
} from '@sluice/core'
import { type FakeScript, fakeClock, fakeModel } from '@sluice/core/testing'
import { type CacheStore, memoryCacheStore } from '@sluice/store'
import { afterEach, describe, expect, test } from 'vitest'
import { type CacheOptions, cache, fallback } from './index.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
const throttled = new ModelThrottledError('throttled', { code: 'throttled' })

/** Runs work in a scope with the policy; collects how its calls ended. */
async function within<Result>(
  policies: readonly Policy[],
  work: (scope: Scope, outcomes: CallOutcome[]) => Promise<Result>,
  options: ScopeOptions = {},
): Promise<Result> {
  const outcomes: CallOutcome[] = []
  const witness: Policy = {
    name: 'witness',
    stage: 'deadline',
    wrap: (next) => (request, context) => {
      context.call.onEnd((outcome) => outcomes.push(outcome))
      return next(request, context)
    },
  }
  return runInScope({ ...options, policies: [...policies, witness] }, (scope) => work(scope, outcomes))
}

/** One call in a scope of its own, read to its end. */
function ask(policy: Policy, request: ModelRequest, options: ScopeOptions = {}) {
  return within(
    [policy],
    async (scope, outcomes) => {
      const response = await callModel(scope, request)
      const events = await read(response)
      return { output: response.output, events, outcomes }
    },
    options,
  )
}

async function read({ events }: ModelResponse): Promise<unknown[] | undefined> {
  if (!events) return undefined
  const all: unknown[] = []
  for await (const event of events) all.push(event)
  return all
}

/** Requests that are answered with what is given. */
function answering(sent: Partial<Sent>, fields: Partial<ModelRequest> = {}) {
  let count = 0
  const { transport, ...request } = fakeModel().request(fields)
  const send = async (): Promise<Sent> => {
    count++
    return { output: { text: 'x' }, usage: noUsage, ...sent }
  }
  return {
    request: { ...request, transport: { ...transport, send } },
    get count() {
      return count
    },
  }
}

function warnings(): string[] {
  const seen: string[] = []
  const onWarning = ({ message }: Error) => {
    seen.push(message)
  }
  process.on('warning', onWarning)
  closers.push(() => process.off('warning', onWarning))
  return seen
}

const streamed: FakeScript = { pieces: ['a', 'b', 'c'] }

describe('a hit', () => {
  test('is a call without an attempt, with the same answer', async () => {
    const policy = cache({ ttlMs: 60_000 })
    const model = fakeModel()
    const first = await ask(policy, model.request())
    const second = await ask(policy, model.request())
    expect(second.output).toEqual(first.output)
    expect(model.sent).toBe(1)
    expect(first.outcomes).toMatchObject([{ attempts: 1, cached: false, stopReason: 'end_turn' }])
    expect(second.outcomes).toMatchObject([
      { attempts: 0, cached: true, status: 'answered', usage: noUsage, lastModelId: undefined },
    ])
  })

  test('of a stream is replayed event by event', async () => {
    const policy = cache({ ttlMs: 60_000 })
    const model = fakeModel(streamed)
    const request = model.request({ streaming: true })
    const first = await ask(policy, request)
    const second = await ask(policy, request)
    expect(first.events).toHaveLength(6)
    expect(second.events).toEqual(first.events)
    expect(model.sent).toBe(1)
    expect(second.outcomes).toMatchObject([{ attempts: 0, cached: true, status: 'answered' }])
  })

  test('of a stream ends with the signal of its own call', async () => {
    const policy = cache({ ttlMs: 60_000 })
    const request = fakeModel(streamed).request({ streaming: true })
    await ask(policy, request)
    const controller = new AbortController()
    await within([policy], async (scope) => {
      const { events = [] } = await callModel(scope, request, { signal: controller.signal })
      const reading = (async () => {
        for await (const _ of events) controller.abort()
      })()
      await expect(reading).rejects.toMatchObject({ code: 'aborted' })
    })
  })

  test('is a copy: who changes what he was given changes nothing for others', async () => {
    const output = { text: 'x', body: Buffer.from('body'), deep: { list: [1] } }
    const whole = answering({ output, stopReason: 'end_turn' })
    const policy = cache({ ttlMs: 60_000 })
    for (let round = 0; round < 3; round++) {
      const { output } = (await ask(policy, whole.request)) as { output: typeof answer }
      const answer = { text: 'x', body: Buffer.from('body'), deep: { list: [1] } }
      expect({ ...output, body: Buffer.from(output.body) }).toEqual(answer)
      // Not of the first: it is the provider's own.
      if (round === 0) continue
      output.text = 'changed'
      output.body[0] = 0
      output.deep.list.push(2)
    }
    expect(whole.count).toBe(1)

    const model = fakeModel(streamed)
    const request = model.request({ streaming: true })
    for (let round = 0; round < 3; round++) {
      await within([policy], async (scope) => {
        const { events = [] } = await callModel(scope, request)
        const texts: unknown[] = []
        for await (const event of events) {
          texts.push((event as { text?: string }).text)
          ;(event as { text?: string }).text = 'changed'
        }
        expect(texts).toEqual([undefined, 'a', 'b', 'c', undefined, undefined])
      })
    }
    expect(model.sent).toBe(1)
  })

  test('costs no quota: stages of attempts do not see it', async () => {
    let quota = 0
    const counting: AttemptPolicy = {
      name: 'quota',
      stage: 'quota',
      wrap: (next) => (request, context) => {
        quota++
        return next(request, context)
      },
    }
    const policy = cache({ ttlMs: 60_000 })
    const request = fakeModel().request()
    for (let round = 0; round < 3; round++) {
      await within([policy, counting], (scope) => callModel(scope, request))
    }
    expect(quota).toBe(1)
  })
})

describe('what is told apart', () => {
  async function attempts(
    options: Partial<CacheOptions>,
    ...calls: readonly [Partial<ModelRequest>, ScopeOptions?][]
  ): Promise<number> {
    const policy = cache({ ttlMs: 60_000, ...options })
    const model = fakeModel()
    for (const [fields, scope] of calls) await ask(policy, model.request(fields), scope)
    return model.sent
  }

  test('payload, model and operation', async () => {
    expect(await attempts({}, [{ payload: { a: 1, b: 2 } }], [{ payload: { b: 2, a: 1 } }])).toBe(1)
    expect(await attempts({}, [{ payload: { a: 1 } }], [{ payload: { a: 2 } }])).toBe(2)
    expect(await attempts({}, [{ modelId: 'a' }], [{ modelId: 'b' }])).toBe(2)
    expect(await attempts({}, [{ operation: 'Converse' }], [{ operation: 'InvokeModel' }])).toBe(2)
    expect(await attempts({}, [{ streaming: true }], [{ streaming: false }])).toBe(2)
  })

  test('tenants, whatever they ask', async () => {
    expect(
      await attempts({}, [{}, { tenant: 'a' }], [{}, { tenant: 'b' }], [{}, { tenant: 'a' }], [{}]),
    ).toBe(3)
    const key = () => 'everything is the same'
    expect(await attempts({ key }, [{}, { tenant: 'a' }], [{}, { tenant: 'b' }])).toBe(2)
  })

  test('what the key says matters', async () => {
    const key = ({ payload }: ModelRequest) => (payload as { matters?: number }).matters
    const one = { payload: { matters: 1, id: 'x' } }
    expect(
      await attempts({ key }, [one], [{ payload: { matters: 1, id: 'y' } }], [{ payload: { matters: 2 } }]),
    ).toBe(2)
    // No key, no cache.
    expect(await attempts({ key }, [{ payload: {} }], [{ payload: {} }])).toBe(2)
    expect(await attempts({}, [{ payload: { stream: () => {} } }], [{ payload: { stream: () => {} } }])).toBe(
      2,
    )
  })

  test('a request that asks for variety is not cached, unless it is wanted', async () => {
    const at = (temperature?: number) => [{ temperature }] as [Partial<ModelRequest>]
    expect(await attempts({}, at(), at())).toBe(1)
    expect(await attempts({}, at(0), at(0))).toBe(1)
    expect(await attempts({}, at(0.1), at(0.1))).toBe(2)
    expect(await attempts({ sampling: true }, at(0.1), at(0.1))).toBe(1)
  })

  test('time', async () => {
    let nowMs = 0
    const store = memoryCacheStore({ now: () => nowMs })
    const policy = cache({ ttlMs: 60_000, store })
    const model = fakeModel()
    for (const [atMs, sent] of [
      [0, 1],
      [59_999, 1],
      [60_000, 2],
      [119_999, 2],
    ] as const) {
      nowMs = atMs
      await ask(policy, model.request())
      expect(model.sent).toBe(sent)
    }
  })
})

describe('what is kept', () => {
  const kept = {
    end_turn: true,
    stop_sequence: true,
    tool_use: true,
    stop: true,
    COMPLETE: true,
    FINISH: true,
  }
  const notKept = {
    max_tokens: false,
    length: false,
    MAX_TOKENS: false,
    LENGTH: false,
    model_context_window_exceeded: false,
    guardrail_intervened: false,
    content_filtered: false,
    CONTENT_FILTERED: false,
    ERROR_TOXIC: false,
    malformed_model_output: false,
    malformed_tool_use: false,
    refusal: false,
    pause_turn: false,
    '': false,
    somethingNew: false,
  }
  test.each(Object.entries({ ...kept, ...notKept }))(
    'an answer that ends with "%s": %s',
    async (stopReason, expected) => {
      const whole = answering({ stopReason })
      const policy = cache({ ttlMs: 60_000 })
      for (let round = 0; round < 2; round++) await ask(policy, whole.request)
      expect(whole.count).toBe(expected ? 1 : 2)
    },
  )

  test('without a reason to stop: a whole answer is kept (a vector), a stream is not', async () => {
    const policy = cache({ ttlMs: 60_000 })
    const whole = answering({})
    for (let round = 0; round < 2; round++) await ask(policy, whole.request)
    expect(whole.count).toBe(1)

    async function* events() {
      yield { text: 'x' }
    }
    const silent = fakeModel()
    const request = silent.request({ streaming: true })
    let count = 0
    const send = async (): Promise<Sent> => {
      count++
      return {
        output: {},
        events: events(),
        read(_event, seen) {
          seen.contentEvents++
          seen.complete = true
        },
      }
    }
    for (let round = 0; round < 2; round++) {
      await ask(policy, { ...request, transport: { ...request.transport, send } })
    }
    expect(count).toBe(2)
  })

  const partial: Record<string, [FakeScript, (scope: Scope, request: ModelRequest) => Promise<unknown>]> = {
    'an error': [{ error: throttled }, callModel],
    'a stream that is cut': [
      { pieces: ['a'], ending: 'throw' },
      async (scope, request) => read(await callModel(scope, request)),
    ],
    'a stream that ends too early': [
      { pieces: ['a'], ending: 'truncate' },
      async (scope, request) => read(await callModel(scope, request)),
    ],
    'a stream that is left': [
      streamed,
      async (scope, request) => {
        for await (const _ of (await callModel(scope, request)).events ?? []) break
      },
    ],
    'a stream that is left at its last word': [
      streamed,
      async (scope, request) => {
        for await (const event of (await callModel(scope, request)).events ?? []) {
          if ((event as { stop?: string }).stop) break
        }
      },
    ],
    'a stream that nobody reads': [streamed, callModel],
    'a stream that nobody reads on after its last word': [
      streamed,
      async (scope, request) => {
        const events = (await callModel(scope, request)).events?.[Symbol.asyncIterator]()
        for (let read = 0; read < 5; read++) await events?.next()
      },
    ],
  }
  test.each(Object.entries(partial))('not: %s', async (_, [script, use]) => {
    const policy = cache({ ttlMs: 60_000 })
    const model = fakeModel(script, streamed)
    const request = model.request({ streaming: true })
    await within([policy], (scope) => use(scope, request).catch(() => {}))
    const { events } = await ask(policy, request)
    expect(events).toHaveLength(6)
    expect(model.sent).toBe(2)
  })

  test('not the answer of another model after a fallback', async () => {
    const asked: string[] = []
    const model = fakeModel({
      before({ modelId }) {
        asked.push(modelId)
        if (modelId === 'a') throw throttled
      },
    })
    const policies = [cache({ ttlMs: 60_000 }), fallback(['b'])]
    for (let round = 0; round < 2; round++) {
      await within(policies, (scope) => callModel(scope, model.request({ modelId: 'a' })))
    }
    expect(asked.join('')).toBe('abab')
  })

  test('not what is no data', async () => {
    const seen = warnings()
    const odd = answering({ output: { close() {} }, stopReason: 'end_turn' })
    const policy = cache({ ttlMs: 60_000 })
    for (let round = 0; round < 2; round++) await ask(policy, odd.request)
    await settle()
    expect([odd.count, seen]).toEqual([2, []])
  })
})

describe('equal requests at the same time', () => {
  /** Resolves the answer when told to. */
  function gated(script: FakeScript = {}) {
    const { promise, resolve } = Promise.withResolvers<void>()
    return { model: fakeModel({ ...script, before: () => promise }), open: resolve }
  }

  test.each([['whole'], ['streamed']])('%s: one attempt, the same answer for all', async (kind) => {
    const { model, open } = gated(kind === 'streamed' ? streamed : {})
    const request = model.request({ streaming: kind === 'streamed' })
    const policy = cache({ ttlMs: 60_000 })
    await within([policy], async (scope, outcomes) => {
      const calls = Array.from({ length: 10 }, () =>
        callModel(scope, request).then(async (response) => [response.output, await read(response)]),
      )
      await settle()
      open()
      const answers = await Promise.all(calls)
      for (const answer of answers) expect(answer).toEqual(answers[0])
      expect(model.sent).toBe(1)
      expect(outcomes.map(({ attempts, cached }) => `${attempts} ${cached}`).toSorted()).toEqual([
        ...Array(9).fill('0 true'),
        '1 false',
      ])
    })
  })

  test('who waits is told for how long', async () => {
    const clock = fakeClock()
    const { model, open } = gated()
    await within(
      [cache({ ttlMs: 60_000 })],
      async (scope, outcomes) => {
        const calls = [callModel(scope, model.request()), callModel(scope, model.request())]
        await clock.advance(700)
        open()
        await Promise.all(calls)
        expect(outcomes.map(({ waitedMs }) => waitedMs)).toEqual([{}, { cache: 700 }])
      },
      { clock },
    )
  })

  test('a failure is only that of the one who met it: the others try themselves', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const model = fakeModel({ before: () => promise, error: throttled }, {})
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const calls = [1, 2, 3].map(() => callModel(scope, model.request()))
      await settle()
      resolve()
      const ends = await Promise.allSettled(calls)
      expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
      expect(model.sent).toBe(3)
    })
  })

  test('when the invocation of the first ends, the others try themselves', async () => {
    const model = fakeModel({ before: () => new Promise(() => {}) }, {})
    const policy = cache({ ttlMs: 60_000 })
    let abandoned: Promise<unknown> | undefined
    let joined: Promise<unknown> | undefined
    await within([policy], async (other) => {
      await within([policy], async (scope) => {
        abandoned = callModel(scope, model.request()).catch((error: Error) => error.name)
        await settle()
        joined = callModel(other, model.request())
        await settle()
      })
      expect(await abandoned).toBe('ScopeEndedError')
      expect(await joined).toBeDefined()
    })
    expect(model.sent).toBe(2)
  })

  test('an answer that is not kept is not shared either', async () => {
    let count = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const { transport, ...request } = fakeModel().request()
    const send = async (): Promise<Sent> => {
      count++
      await promise
      return { output: {}, stopReason: 'max_tokens' }
    }
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const calls = [1, 2, 3].map(() => callModel(scope, { ...request, transport: { ...transport, send } }))
      await settle()
      resolve()
      await Promise.all(calls)
    })
    expect(count).toBe(3)
  })

  test('two streams opened one after the other, before either is read, do not wait for each other', async () => {
    const model = fakeModel(streamed)
    const request = model.request({ streaming: true })
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const first = await callModel(scope, request)
      const second = await callModel(scope, request)
      expect(await read(second)).toHaveLength(6)
      expect(await read(first)).toHaveLength(6)
    })
    expect(model.sent).toBe(1)
  })

  test('two streams opened at once, before either is read, do not wait for each other', async () => {
    const model = fakeModel(streamed)
    const request = model.request({ streaming: true })
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const both = await Promise.all([callModel(scope, request), callModel(scope, request)])
      for (const one of both) expect(await read(one)).toHaveLength(6)
    })
    expect(model.sent).toBe(1)
  })

  test('each gets a copy of his own', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { transport, ...request } = fakeModel().request()
    const send = async (): Promise<Sent> => {
      await promise
      return { output: { body: Buffer.from('body') }, stopReason: 'end_turn' }
    }
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const calls = [1, 2, 3].map(() => callModel(scope, { ...request, transport: { ...transport, send } }))
      resolve()
      for (const { output } of await Promise.all(calls)) {
        const { body } = output as { body: Buffer }
        expect(body.toString()).toBe('body')
        body.fill(0)
      }
    })
  })

  test('the reader of a stream may leave while others wait for it: they get all of it', async () => {
    const model = fakeModel(streamed)
    const request = model.request({ streaming: true })
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const first = await callModel(scope, request)
      const second = callModel(scope, request)
      for await (const _ of first.events ?? []) break
      expect(await read(await second)).toHaveLength(6)
    })
    expect(model.sent).toBe(1)
    expect(model.open).toBe(0)
  })

  test('a stream that is cut is cut for its reader, and tried again by the others', async () => {
    const model = fakeModel({ pieces: ['a'], ending: 'truncate' }, streamed)
    const request = model.request({ streaming: true })
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const first = await callModel(scope, request)
      const second = await callModel(scope, request)
      expect(await read(second)).toHaveLength(6)
      await expect(read(first)).rejects.toMatchObject({ name: 'StreamInterruptedError' })
    })
    expect(model.sent).toBe(2)
  })

  test('who waits is not held when its own call is aborted', async () => {
    const { model, open } = gated()
    await within([cache({ ttlMs: 60_000 })], async (scope) => {
      const controller = new AbortController()
      const first = callModel(scope, model.request())
      await settle()
      const second = callModel(scope, model.request(), { signal: controller.signal })
      await settle()
      controller.abort()
      await expect(second).rejects.toMatchObject({ code: 'aborted' })
      open()
      expect(await first).toBeDefined()
    })
    expect(model.sent).toBe(1)
  })

  test('nobody falls between the answer and its keeping', async () => {
    const memory = memoryCacheStore()
    const { promise, resolve } = Promise.withResolvers<void>()
    const store: CacheStore = {
      get: (key) => memory.get(key),
      async set(key, value, ttlMs) {
        await promise
        return memory.set(key, value, ttlMs)
      },
    }
    const model = fakeModel()
    await within([cache({ ttlMs: 60_000, store })], async (scope) => {
      await callModel(scope, model.request())
      await settle()
      await callModel(scope, model.request())
      resolve()
      await settle()
      await callModel(scope, model.request())
    })
    expect(model.sent).toBe(1)
  })
})

describe('the store', () => {
  test('may fail: every call is a miss, and one warning says so without a word of a payload', async () => {
    const seen = warnings()
    const store: CacheStore = {
      get: () => Promise.reject(new TypeError('secret')),
      set: () => Promise.reject(new TypeError('secret')),
    }
    const policy = cache({ ttlMs: 60_000, store })
    const model = fakeModel()
    for (let round = 0; round < 3; round++) await ask(policy, model.request())
    await settle()
    expect(model.sent).toBe(3)
    expect(seen).toEqual(['cache: the store failed (TypeError). Calls go on without.'])
  })

  test('may hang: an aborted call is not held', async () => {
    const store: CacheStore = { get: () => new Promise(() => {}), set: () => Promise.resolve() }
    const controller = new AbortController()
    await within([cache({ ttlMs: 60_000, store })], async (scope) => {
      const calling = callModel(scope, fakeModel().request(), { signal: controller.signal })
      await settle()
      controller.abort()
      await expect(calling).rejects.toMatchObject({ code: 'aborted' })
    })
  })

  test('may hold bytes that are none of ours: a miss', async () => {
    const seen = warnings()
    const store: CacheStore = {
      get: async () => new TextEncoder().encode('something else'),
      set: async () => {},
    }
    const model = fakeModel()
    const { output } = await ask(cache({ ttlMs: 60_000, store }), model.request())
    await settle()
    expect(output).toEqual({ text: 'whole' })
    expect(seen).toHaveLength(1)
  })

  test('sees answers only as encode made them', async () => {
    const secret = randomBytes(32)
    const encode = (bytes: Uint8Array) => {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', secret, nonce)
      const text = Buffer.concat([cipher.update(bytes), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), text])
    }
    const decode = (bytes: Uint8Array) => {
      const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, 12))
      decipher.setAuthTag(bytes.subarray(12, 28))
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()])
    }
    const stored: Buffer[] = []
    const memory = memoryCacheStore()
    const store: CacheStore = {
      get: (key) => memory.get(key),
      set(key, value, ttlMs) {
        stored.push(Buffer.from(value))
        return memory.set(key, value, ttlMs)
      },
    }
    const model = fakeModel({ pieces: ['canary'] })
    const request = model.request({ streaming: true })
    const first = await ask(cache({ ttlMs: 60_000, store, encode, decode }), request)
    // Another sandbox.
    const second = await ask(cache({ ttlMs: 60_000, store, encode, decode }), request)
    expect(second.events).toEqual(first.events)
    expect(model.sent).toBe(1)
    expect(Buffer.concat(stored).includes('canary')).toBe(false)
    // Another secret.
    const seen = warnings()
    const other = cache({ ttlMs: 60_000, store, encode, decode: (bytes) => decode(bytes.toReversed()) })
    expect((await ask(other, request)).events).toEqual(first.events)
    await settle()
    expect([model.sent, seen.length]).toEqual([2, 1])
  })

  test('is not waited for by the caller, but by the end of the invocation', async () => {
    let stored = false
    const store: CacheStore = {
      get: async () => undefined,
      async set() {
        await settle()
        stored = true
      },
    }
    await within([cache({ ttlMs: 60_000, store })], async (scope) => {
      await callModel(scope, fakeModel().request())
      expect(stored).toBe(false)
    })
    expect(stored).toBe(true)
  })

  test('of the sandbox keeps no more than its bytes', async () => {
    const big = answering({ output: { text: 'x'.repeat(2_000) }, stopReason: 'end_turn' })
    const policy = cache({ ttlMs: 60_000, maxBytes: 1_000 })
    for (let round = 0; round < 2; round++) await ask(policy, big.request)
    expect(big.count).toBe(2)
  })
})

test('options that cannot be right are refused by name', () => {
  expect(() => cache({ ttlMs: 0 })).toThrow(/ttlMs is 0/)
  expect(() => cache({} as CacheOptions)).toThrow(/ttlMs is undefined/)
  expect(() => cache({ ttlMs: 1, maxBytes: -1 })).toThrow(/maxBytes is -1/)
  expect(() => cache({ ttlMs: 1, maxBytes: 1, store: memoryCacheStore() })).toThrow(
    /Leave it out beside a store/,
  )
})
