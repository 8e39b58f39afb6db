import middy from '@middy/core'
import {
  callModel,
  currentScope,
  ModelError,
  noUsage,
  runInScope,
  type Scope,
  SluiceError,
  StreamInterruptedError,
} from '@sluice/core'
import { fakeClock, fakeModel, resetStatistics } from '@sluice/core/testing'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { costMeter } from './cost-meter.ts'
import { callAndRead, prices, recorder, warned, watchWarnings } from './fixtures/testing.ts'
import type { PriceBook } from './pricing/price-book.ts'

/** 10 tokens in and 5 out, at 3 and 15 USD for a million. */
const callUsd = '0.000105'

beforeEach(async () => {
  resetStatistics()
  // Loaded: the records come at once.
  await prices.open('fake.model-v1')
})

test('an attempt, its call and the invocation each give a record, in this order, and the context the sum', async () => {
  const { sink, records, attempts } = recorder()
  const model = fakeModel()
  const handler = middy<{ who: string }>()
    .use(
      costMeter<{ who: string }>({
        prices,
        region: 'eu-west-1',
        sinks: [sink],
        tenant: ({ who }) => who,
        tags: { feature: 'triage' },
      }),
    )
    .handler(async (_event, { cost }) => {
      await callAndRead(currentScope() as Scope, model.request())
      await callAndRead(currentScope() as Scope, model.request())
      await cost.settled()
      return { ...cost, settled: undefined }
    })
  const context = { awsRequestId: 'r1', getRemainingTimeInMillis: () => 9_000 } as never
  const sum = await handler({ who: 'acme' }, context)

  expect(records.map(({ kind }) => kind)).toEqual(['attempt', 'call', 'attempt', 'call', 'invocation'])
  const whose = { requestId: 'r1', tenant: 'acme', tags: { feature: 'triage' } }
  for (const record of records) expect(record).toMatchObject(whose)
  expect(attempts()[0]).toMatchObject({
    callId: 'r1:1',
    attempt: 1,
    modelId: 'fake.model-v1',
    region: 'eu-west-1',
    maxTokens: 100,
    status: 'answered',
    estimated: false,
    cost: {
      priced: true,
      usd: callUsd,
      parts: { input: '0.00003', output: '0.000075' },
      source: 'override',
      asOf: expect.any(String),
    },
  })
  expect(records[1]).toMatchObject({
    callId: 'r1:1',
    sent: 1,
    shed: false,
    cost: { usd: callUsd, atMostUsd: callUsd, unpriced: 0 },
  })
  const money = { usd: '0.00021', atMostUsd: '0.00021', unpriced: 0 }
  const total = {
    usage: { ...noUsage, inputTokens: 20, outputTokens: 10 },
    attempts: 2,
    calls: 2,
    cached: 0,
    shed: 0,
  }
  expect(sum).toMatchObject({ costUsd: '0.00021', atMostUsd: '0.00021', unpriced: 0, ...total })
  expect(records[4]).toMatchObject({ kind: 'invocation', scopeId: 'r1', cost: money, ...total })
  expect(JSON.stringify(records)).not.toMatch(/payload|transport/)
})

test('what was cut, left or refused costs what it has used, with an upper bound where that is estimated', async () => {
  const { sink, attempts, calls, invocations } = recorder()
  const meter = costMeter({ prices, sinks: [sink] })
  await runInScope({}, async (scope) => {
    meter.watch(scope)
    const request = { streaming: true, estimatedInputTokens: 1000, maxTokens: 200 }
    const cut = fakeModel({ pieces: ['four', 'five'], ending: 'truncate' })
    await expect(callAndRead(scope, cut.request(request))).rejects.toThrow(StreamInterruptedError)
    const { events = [] } = await callModel(scope, fakeModel({ pieces: ['four', 'five'] }).request(request))
    for await (const _ of events) break
    const refused = new ModelError('no', { code: 'model_failed' })
    await expect(callModel(scope, fakeModel({ error: refused }).request())).rejects.toBe(refused)
    // Its answer may have been made and billed.
    const lost = new SluiceError('lost', { code: 'transport_failed' })
    await expect(callModel(scope, fakeModel({ error: lost }).request())).rejects.toBe(lost)
    await callModel(scope, fakeModel({ pieces: ['never', 'read'] }).request(request))
  })
  expect(attempts().map(({ status, cost }) => [status, cost.priced && [cost.usd, cost.atMostUsd]])).toEqual([
    // 1000 tokens in, 3 of 200 out by their bytes, or 2 of them.
    ['failed', ['0.003045', '0.006']],
    ['left', ['0.00303', '0.006']],
    ['failed', ['0', undefined]],
    ['failed', ['0.00003', '0.00153']],
    ['left', ['0.00303', '0.006']],
  ])
  expect(calls().map(({ cost }) => cost.usd)).toEqual(['0.003045', '0.00303', '0', '0.00003', '0.00303'])
  expect(invocations()[0]?.cost).toEqual({ usd: '0.009135', atMostUsd: '0.01953', unpriced: 0 })
})

test('a retry is billed like the answer; what a quota refuses is shed; what a cache has answered is free', async () => {
  const { sink, attempts, calls, invocations } = recorder()
  const meter = costMeter({ prices, sinks: [sink] })
  const model = fakeModel({ pieces: ['half'], ending: 'throw' }, {})
  let full = false
  await runInScope({}, async (scope) => {
    meter.watch(scope)
    scope.use({
      name: 'again',
      stage: 'retry',
      wrap: (next) => async (request, context) => {
        const { events } = await next(request, context)
        try {
          for await (const _ of events ?? []);
        } catch {
          context.call.waited('retry', 30)
          return next(request, context)
        }
        return { output: undefined }
      },
    })
    scope.use({
      name: 'quota',
      stage: 'quota',
      wrap: (next) => async (request, context) => {
        if (full) throw new SluiceError('full', { code: 'quota_exceeded' })
        return next(request, context)
      },
    })
    scope.use({
      name: 'cache',
      stage: 'cache',
      wrap: (next) => async (request, context) => {
        if (request.operation !== 'Cached') return next(request, context)
        context.call.cached = true
        return { output: 'kept' }
      },
    })
    await callAndRead(scope, model.request({ streaming: true }))
    await callAndRead(scope, model.request({ operation: 'Cached' }))
    full = true
    await expect(callAndRead(scope, model.request())).rejects.toThrow('full')
  })
  expect(attempts().map(({ attempt, estimated }) => [attempt, estimated])).toEqual([
    [1, true],
    [2, false],
  ])
  expect(calls()).toMatchObject([
    { attempts: 2, sent: 2, cached: false, shed: false, waitedMs: { retry: 30 }, cost: { usd: '0.000165' } },
    { attempts: 0, sent: 0, cached: true, shed: false, cost: { usd: '0' } },
    { attempts: 1, sent: 0, cached: false, shed: true, cost: { usd: '0' } },
  ])
  expect(invocations()).toMatchObject([{ attempts: 2, calls: 3, cached: 1, shed: 1 }])
})

test('a call that was sent before a quota refused its retry is not shed; what a policy kept is no attempt', async () => {
  const { sink, attempts, calls } = recorder()
  const meter = costMeter({ prices, sinks: [sink] })
  const refuse = (code: 'quota_exceeded' | 'unexpected') => new SluiceError('refused', { code })
  await runInScope({}, async (scope) => {
    meter.watch(scope)
    scope.use({
      name: 'again',
      stage: 'retry',
      wrap: (next) => (request, context) => next(request, context).catch(() => next(request, context)),
    })
    scope.use({
      name: 'quota',
      stage: 'quota',
      wrap: (next) => async (request, context) => {
        if (context.attempt.number > 1) throw refuse('quota_exceeded')
        return next(request, context)
      },
    })
    scope.use({
      name: 'inside',
      stage: 'meter',
      wrap: (next) => async (request, context) => {
        if (request.operation === 'Kept') throw refuse('unexpected')
        return next(request, context)
      },
    })
    const failing = fakeModel({ error: refuse('unexpected') })
    await callAndRead(scope, failing.request()).catch(() => {})
    await callAndRead(scope, failing.request({ operation: 'Kept' })).catch(() => {})
  })
  expect(attempts()).toHaveLength(1)
  expect(calls()).toMatchObject([
    { attempts: 2, sent: 1, shed: false },
    { attempts: 2, sent: 0, shed: true },
  ])
})

test('a model without a price is warned about once, counted, and in no sum', async () => {
  const warnings = watchWarnings()
  const { sink, attempts, invocations } = recorder()
  const meter = costMeter({ prices, sinks: [sink], region: 'eu-west-1' })
  const model = fakeModel({}, {}, {}, { error: new ModelError('no', { code: 'model_failed' }) })
  for (let i = 0; i < 2; i++) {
    await runInScope({}, async (scope) => {
      meter.watch(scope)
      await callAndRead(scope, model.request())
      const sibling = model.request({ modelId: 'fake.model-v2' })
      await callAndRead(scope, sibling).catch(() => {})
    })
  }
  expect(attempts().map(({ cost }) => (cost.priced ? cost.usd : cost.reason))).toEqual([
    callUsd,
    'unknown_model',
    callUsd,
    // Refused by the provider: nothing is due, whatever the price.
    '0',
  ])
  expect(invocations().map(({ cost }) => cost)).toEqual([
    { usd: callUsd, atMostUsd: callUsd, unpriced: 1 },
    { usd: callUsd, atMostUsd: callUsd, unpriced: 0 },
  ])
  await warned()
  expect(warnings).toEqual([
    expect.stringMatching(/"fake.model-v2" has no price \(unknown_model, eu-west-1\).*overrides/),
  ])
})

test('the tier and the model that a router chose decide about the price', async () => {
  const { sink, attempts } = recorder()
  const asked: unknown[] = []
  const book: PriceBook = {
    open: () => ({
      find(item) {
        asked.push(item)
        return 'unknown_terms'
      },
    }),
  }
  const meter = costMeter({ prices: book, sinks: [sink], region: 'us-east-1' })
  watchWarnings()
  await runInScope({}, async (scope) => {
    meter.watch(scope)
    const terms = { serviceTier: 'flex', latency: 'optimized', routedModelId: 'fake.small' }
    await callAndRead(scope, fakeModel().request({ terms }))
  })
  expect(asked).toMatchObject([
    { modelId: 'fake.small', serviceTier: 'flex', latency: 'optimized', region: 'us-east-1' },
  ])
  expect(attempts()).toMatchObject([{ terms: { serviceTier: 'flex' }, cost: { reason: 'unknown_terms' } }])
})

test('records wait for prices that are being loaded, in order, and the invocation waits for them', async () => {
  const { sink, records } = recorder()
  const { promise, resolve } = Promise.withResolvers<void>()
  const loading: PriceBook = { open: (modelId) => promise.then(() => prices.open(modelId)) }
  const meter = costMeter({ prices: loading, sinks: [sink] })
  let settled = false
  const running = runInScope({}, async (scope) => {
    const cost = meter.watch(scope)
    await callAndRead(scope, fakeModel().request())
    expect([records, cost.attempts, cost.costUsd]).toEqual([[], 1, '0'])
    void cost.settled().then(() => {
      settled = true
    })
  })
  await warned()
  expect([records, settled]).toEqual([[], false])
  resolve()
  await running
  expect(settled).toBe(true)
  expect(records).toMatchObject([
    { kind: 'attempt', cost: { usd: callUsd } },
    { kind: 'call', cost: { usd: callUsd } },
    { kind: 'invocation', cost: { usd: callUsd } },
  ])
})

test('prices that do not come in time lose no record: it says that there were none', async () => {
  const warnings = watchWarnings()
  const clock = fakeClock()
  const { sink, attempts, calls, invocations } = recorder()
  const meter = costMeter({ prices: { open: () => new Promise(() => {}) }, sinks: [sink] })
  const running = runInScope({ clock, deadlineMs: clock.now() + 500 }, async (scope) => {
    meter.watch(scope)
    await callAndRead(scope, fakeModel().request())
  })
  await clock.advance(500)
  await running
  expect(attempts()).toMatchObject([{ usage: { inputTokens: 10 }, cost: { reason: 'not_loaded' } }])
  expect(calls()).toMatchObject([{ sent: 1, cost: { unpriced: 1 } }])
  expect(invocations()).toMatchObject([{ cost: { usd: '0', unpriced: 1 } }])
  await warned()
  expect(warnings).toEqual([expect.stringContaining('not_loaded')])
})

test('a price book that fails is none: its attempts are unpriced, at once', async () => {
  const warnings = watchWarnings()
  const { sink, attempts } = recorder()
  const meter = costMeter({ prices: { open: () => Promise.reject(new Error('down')) }, sinks: [sink] })
  await runInScope({}, async (scope) => {
    const cost = meter.watch(scope)
    await callAndRead(scope, fakeModel().request())
    await cost.settled()
    expect(attempts()).toMatchObject([{ cost: { priced: false, reason: 'not_loaded' } }])
  })
  await warned()
  expect(warnings).toHaveLength(1)
})

test('a sink that throws, rejects or hangs disturbs nobody, is warned about once, and holds nobody for long', async () => {
  const warnings = watchWarnings()
  const clock = fakeClock()
  const { sink, records } = recorder()
  const throws = (): void => {
    throw new RangeError('quotes a prompt')
  }
  const rejects = () => Promise.reject(new TypeError('quotes a prompt'))
  const hangs = () => new Promise<void>(() => {})
  const meter = costMeter({
    prices,
    sinks: [throws, rejects, hangs, sink],
    clock,
    sinkTimeoutMs: 200,
  })
  let over = false
  const running = runInScope({ clock }, async (scope) => {
    meter.watch(scope)
    await callAndRead(scope, fakeModel().request())
    await callAndRead(scope, fakeModel().request())
  }).then(() => {
    over = true
  })
  await clock.advance(199)
  expect(over).toBe(false)
  // For those of the calls, and then for that of the invocation.
  await clock.advance(201)
  await running
  expect(records.map(({ kind }) => kind)).toEqual(['attempt', 'call', 'attempt', 'call', 'invocation'])
  await warned()
  expect(warnings.toSorted()).toEqual([
    expect.stringMatching(/sink "hangs" failed \(no answer in 200 ms\)/),
    expect.stringMatching(/sink "rejects" failed \(TypeError\)/),
    expect.stringMatching(/sink "throws" failed \(RangeError\)/),
  ])
  expect(clock.pending).toBe(0)
})

test('time with an open model call is waiting, once for calls at the same time', async () => {
  const clock = fakeClock()
  const lambdaRates = { arm64: 1, x86_64: 1, request: 0.5, streamedGb: 0, source: 'own', asOf: '2026-01-01' }
  vi.stubEnv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE', '512')
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const meter = costMeter({ prices, clock, lambdaRates })
  const running = runInScope({ clock }, async (scope) => {
    const cost = meter.watch(scope)
    const model = fakeModel({
      before: () =>
        new Promise((resolve) => {
          clock.after(400, resolve)
        }),
    })
    const calls = [callAndRead(scope, model.request()), callAndRead(scope, model.request())]
    await clock.advance(100)
    const meanwhile = cost.lambda
    await clock.advance(300)
    await Promise.all(calls)
    await clock.advance(600)
    return [meanwhile, cost.lambda]
  })
  expect(await running).toMatchObject([
    { durationMs: 100, waitingMs: 100, usd: '0.55', waitingUsd: '0.05' },
    { durationMs: 1000, waitingMs: 400, usd: '1', waitingUsd: '0.2' },
  ])
})

test.each([
  [{ dimensions: ['model', ''] }, /"" can be no dimension/],
  [{ dimensions: ['Straße'] }, /can be no dimension/],
  [{ dimensions: ['CostUsd'] }, /"CostUsd" is taken/],
  [{ dimensions: Array.from({ length: 30 }, (_, i) => `tag${i}`) }, /there are 30 dimensions/],
  [{ sinks: ['file'] as never }, /sinks has string/],
  [{ sinkTimeoutMs: Number.NaN }, /sinkTimeoutMs is NaN/],
])('%j is refused at init', (options, message) => {
  expect(() => costMeter(options)).toThrow(message)
  expect(() => costMeter(options)).toThrow(TypeError)
})
