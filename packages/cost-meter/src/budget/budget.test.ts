import { callModel, ModelError, noUsage, type Policy, type SluiceError, TransportError } from '@sluice/core'
import { type FakeScript, fakeModel } from '@sluice/core/testing'
import { fallback, retry } from '@sluice/model-invocation'
import { memoryBudgetStore } from '@sluice/store'
import { describe, expect, test } from 'vitest'
import { actual, setUp, usd, worst } from '../fixtures/budgets.ts'
import { prices, warned, watchWarnings } from '../fixtures/testing.ts'
import { priceBook } from '../pricing/price-book.ts'
import { usdText } from '../pricing/usd.ts'
import { type BudgetOptions, budget } from './budget.ts'
import { BudgetExceededError } from './budget-exceeded-error.ts'

const hourMs = 3_600_000
const down = async () => {
  throw new Error('the table is away')
}

async function refusalOf(call: Promise<unknown>): Promise<BudgetExceededError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(BudgetExceededError)
  return error as BudgetExceededError
}

describe('what is reserved and settled', () => {
  test('the worst case while it runs, then what it has cost', async () => {
    const { call, stateOf } = setUp()
    let during: unknown
    const model = fakeModel({
      before: async () => {
        during = await stateOf()
      },
    })
    await call(model)
    expect(during).toEqual({ spent: 0n, reserved: worst })
    expect(await stateOf()).toEqual({ spent: actual, reserved: 0n })
  })

  test('a prompt that may be written to the cache is reserved at that price', async () => {
    const { call, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: 1 }],
      region: 'us-east-1',
    })
    let reserved = 0n
    const model = fakeModel({
      before: async () => {
        reserved = (await stateOf()).reserved
      },
    })
    await call(model, { provider: 'bedrock', modelId: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' })
    // Writing for an hour costs twice the input; both are a tenth dearer through a profile.
    expect(reserved).toBe(12n * 6_600_000n + 100n * 16_500_000n)
    expect((await stateOf()).spent).toBe(10n * 3_300_000n + 5n * 16_500_000n)
  })

  test('a price by the hour is reserved for all the time that is left', async () => {
    const hourly = priceBook({ overrides: { fake: { 'fake.model-v1': { hour: 36 } } } })
    const { call, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: 1 }],
      prices: hourly,
    })
    let reserved = 0n
    const model = fakeModel({
      before: async () => {
        reserved = (await stateOf()).reserved
      },
    })
    await call(model)
    // A cent for each of 60 seconds.
    expect(reserved).toBe(600_000_000_000n)
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
  })

  test.each<[string, FakeScript, bigint]>([
    ['refused by the provider: nothing', { error: new ModelError('no', { code: 'access_denied' }) }, 0n],
    [
      'lost on the way: the prompt as estimated and all of maxTokens',
      { error: new TransportError('?', { code: 'transport_failed' }) },
      10n * 3_000_000n + 100n * 15_000_000n,
    ],
    [
      'cut: the same, for when the provider stops billing nobody tells',
      { pieces: ['one', 'two'], ending: 'throw', usage: undefined },
      10n * 3_000_000n + 100n * 15_000_000n,
    ],
    [
      'more than was reserved: all of it',
      { usage: { ...noUsage, inputTokens: 1_000, outputTokens: 100 } },
      4_500_000_000n,
    ],
  ])('%s', async (_, script, spent) => {
    const { call, stateOf } = setUp()
    await call(fakeModel(script)).catch(() => {})
    expect(await stateOf()).toEqual({ spent, reserved: 0n })
  })

  test('a stream that is never read is settled when its invocation ends', async () => {
    const { inScope, stateOf } = setUp()
    await inScope(async (scope) => {
      await callModel(scope, fakeModel({ pieces: ['one'], ending: 'hang' }).request())
      expect(await stateOf()).toEqual({ spent: 0n, reserved: worst })
    })
    expect(await stateOf()).toEqual({ spent: 10n * 3_000_000n + 100n * 15_000_000n, reserved: 0n })
  })

  test('each attempt is reserved and settled by itself', async () => {
    const { call, clock, stateOf } = setUp({ limits: [{ per: 'tenant', period: 'day', hardUsd: 1 }] })
    const failing = { error: new TransportError('?', { code: 'transport_failed', retryable: true }) }
    const calling = call(fakeModel(failing, {}), { policies: [retry() as Policy] })
    await clock.advance(50)
    await calling
    expect((await stateOf()).spent).toBe(10n * 3_000_000n + 100n * 15_000_000n + actual)
  })

  test('what a quota has refused is given back, a price per call as well', async () => {
    const perCall = priceBook({ overrides: { fake: { 'fake.model-v1': { call: 0.01 } } } })
    const { call, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: 1 }],
      prices: perCall,
    })
    const full: Policy = {
      name: 'quota',
      stage: 'quota',
      wrap: () => async () => {
        throw new Error('no room')
      },
    }
    await expect(call(fakeModel(), { policies: [full] })).rejects.toThrow('no room')
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
  })

  test('who leaves while it is being reserved leaves nothing behind', async () => {
    const go = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const { inScope, stateOf } = setUp({}, (memory) => ({
      async reserve(accounts, reservation) {
        begun.resolve()
        await go.promise
        return memory.reserve(accounts, reservation)
      },
    }))
    const model = fakeModel()
    const controller = new AbortController()
    await inScope(async (scope) => {
      const calling = callModel(scope, model.request(), { signal: controller.signal })
      await begun.promise
      controller.abort()
      await expect(calling).rejects.toMatchObject({ code: 'aborted' })
      go.resolve()
    })
    expect(model.sent).toBe(0)
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
  })

  test('a sandbox that dies has spent what it held, once that has expired', async () => {
    const { inScope, clock, stateOf } = setUp({}, () => ({ settle: down }))
    const warnings = watchWarnings()
    const ended = inScope((scope) => callModel(scope, fakeModel().request()))
    // Its settlement is tried four times.
    await clock.advance(700)
    await ended
    expect(await stateOf()).toEqual({ spent: 0n, reserved: worst })
    await clock.advance(60_000 + 10_000 + 30_000)
    expect(await stateOf()).toEqual({ spent: worst, reserved: 0n })
    await warned()
    expect(warnings).toEqual(['budget: the store failed (Error). What could not be settled counts in full.'])
  })

  test('a settlement that fails is repeated', async () => {
    let failures = 3
    const { inScope, clock, stateOf } = setUp({}, (memory) => ({
      settle: (...settlement) => (failures-- > 0 ? down() : memory.settle(...settlement)),
    }))
    const ended = inScope((scope) => callModel(scope, fakeModel().request()))
    await clock.advance(700)
    await ended
    expect(await stateOf()).toEqual({ spent: actual, reserved: 0n })
  })
})

describe('a hard limit', () => {
  test('refuses before anything is sent, and says what, how much and when', async () => {
    const { call, records, stateOf } = setUp()
    await call()
    const model = fakeModel()
    const error = await refusalOf(call(model))
    expect(model.sent).toBe(0)
    expect(error).toMatchObject({
      name: 'BudgetExceededError',
      code: 'budget_exceeded',
      reason: 'limit',
      budget: 'tenant-day',
      owner: 'acme',
      limitUsd: usdText(worst),
      spentUsd: usdText(actual),
      reservedUsd: '0',
      neededUsd: usdText(worst),
      statusCode: 402,
      retryable: true,
      retryAfterMs: 12 * hourMs,
      unbilled: true,
    })
    expect(error.message).toBe(
      'The budget "tenant-day" has a limit of 0.001536 USD: 0.000105 are spent, 0 held by calls that run, and this call ' +
        'to fake.model-v1 could cost 0.001536. There is room again in 43200 s, at the latest.',
    )
    expect(records).toMatchObject([
      { event: 'refused', mode: 'enforce', tenant: 'acme', spentUsd: '0.000105' },
    ])
    expect(await stateOf()).toEqual({ spent: actual, reserved: 0n })
  })

  test('is a 429 when it is worth waiting for the end of its period', async () => {
    const near = setUp()
    await near.call()
    await near.clock.advance(12 * hourMs - 900_000)
    expect(await refusalOf(near.call())).toMatchObject({ statusCode: 429, retryAfterMs: 900_000 })
    await near.clock.advance(900_000)
    await near.call()
    const patient = setUp({ retryWithinMs: Infinity })
    await patient.call()
    expect(await refusalOf(patient.call())).toMatchObject({ statusCode: 429 })
  })

  test('that is smaller than the call is no matter of time', async () => {
    const { call } = setUp({ limits: [{ per: 'tenant', period: 'day', hardUsd: usd(worst - 1_000_000n) }] })
    const error = await refusalOf(call())
    expect(error).toMatchObject({ statusCode: 402, retryable: false })
    expect(error.retryAfterMs).toBeUndefined()
    expect(error.message).toContain('lower maxTokens')
  })

  test('holds calls that run at once', async () => {
    const { inScope, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: usd(3n * worst + worst / 2n) }],
    })
    const go = Promise.withResolvers<void>()
    const model = fakeModel({ before: () => go.promise })
    await inScope(async (scope) => {
      const calls = Array.from({ length: 10 }, () => callModel(scope, model.request()))
      const refused = await Promise.race(calls).catch((error: SluiceError) => error)
      expect(refused).toBeInstanceOf(BudgetExceededError)
      go.resolve()
      const results = await Promise.allSettled(calls)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    })
    expect(model.sent).toBe(3)
    expect(await stateOf()).toEqual({ spent: 3n * actual, reserved: 0n })
  })

  test('of one tenant leaves the others alone; those without a name are one', async () => {
    const { call, inScope } = setUp({ limits: [{ per: 'tenant', period: 'day', hardUsd: usd(worst) }] })
    await call()
    await refusalOf(call())
    await call(fakeModel(), { tenant: 'other' })
    const nobody = () => inScope((scope) => callModel(scope, fakeModel().request()), { tenant: '' })
    await nobody()
    await refusalOf(nobody())
  })

  test('one of several that has no room refuses, and the others keep theirs', async () => {
    const { call, stateOf } = setUp({
      limits: [
        { per: 'all', period: 'month', hardUsd: 1 },
        { per: 'tenant', period: 'day', hardUsd: usd(worst) },
      ],
    })
    await call()
    expect(await refusalOf(call())).toMatchObject({ budget: 'tenant-day' })
    expect(await stateOf('all-month#2026-11#')).toEqual({ spent: actual, reserved: 0n })
    expect(await stateOf()).toEqual({ spent: actual, reserved: 0n })
  })

  test('is neither tried again nor tried elsewhere', async () => {
    const { call, clock, records } = setUp()
    await clock.advance(12 * hourMs - 1_000)
    await call()
    const model = fakeModel()
    const policies = [retry(), fallback(['fake.model-v2'])] as Policy[]
    // The clock stands still: a second try would never come.
    expect(await refusalOf(call(model, { policies }))).toMatchObject({ retryable: true, retryAfterMs: 1_000 })
    expect(model.sent).toBe(0)
    expect(records).toHaveLength(1)
  })
})

describe('models without a price', () => {
  const unknown = { modelId: 'fake.other-v1' }

  test('are refused under a hard limit', async () => {
    const { call, records } = setUp()
    const model = fakeModel()
    const error = await refusalOf(call(model, unknown))
    expect(error).toMatchObject({
      reason: 'unpriced',
      budget: 'tenant-day',
      statusCode: 500,
      retryable: false,
    })
    expect(error.message).toMatch(/fake\.other-v1.*unknown_model.*overrides.*maxCostUsd/)
    const withoutMaximum = await refusalOf(call(model, { maxTokens: undefined }))
    expect(withoutMaximum.message).toMatch(/no_max_tokens.*Set maxTokens/)
    expect(model.sent).toBe(0)
    expect(records.map(({ event, reason }) => [event, reason])).toEqual([
      ['unpriced', 'unknown_model'],
      ['unpriced', 'no_max_tokens'],
    ])
  })

  test('are known without maxTokens where there is a price per call', async () => {
    const perCall = priceBook({ overrides: { fake: { 'fake.model-v1': { call: 0.01 } } } })
    const { call, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: 0.02 }],
      prices: perCall,
    })
    await call(fakeModel(), { maxTokens: undefined })
    await call(fakeModel({ error: new TransportError('?', { code: 'transport_failed' }) }), {
      maxTokens: undefined,
    }).catch(() => {})
    expect(await stateOf()).toEqual({ spent: 20_000_000_000n, reserved: 0n })
    await refusalOf(call(fakeModel(), { maxTokens: undefined }))
  })

  test('cost what they are said to cost at most', async () => {
    const { call, stateOf } = setUp({
      limits: [{ per: 'tenant', period: 'day', hardUsd: 5 }],
      unpriced: { maxCostUsd: 2 },
    })
    await call(fakeModel(), unknown)
    expect(await stateOf()).toEqual({ spent: 2_000_000_000_000n, reserved: 0n })
    await call(fakeModel({ error: new ModelError('no', { code: 'access_denied' }) }), unknown).catch(() => {})
    expect((await stateOf()).spent).toBe(2_000_000_000_000n)
    // Its price is known, only the most that it could have cost was not.
    await call(fakeModel(), { maxTokens: undefined })
    expect((await stateOf()).spent).toBe(2_000_000_000_000n + actual)
    const lost = fakeModel({ error: new TransportError('?', { code: 'transport_failed' }) })
    await call(lost, { maxTokens: undefined }).catch(() => {})
    expect((await stateOf()).spent).toBe(4_000_000_000_000n + actual)
    expect(await refusalOf(call(fakeModel(), unknown))).toMatchObject({ reason: 'limit', neededUsd: '2' })
  })

  test('are sent under a soft limit, with one warning, and are in no sum', async () => {
    const warnings = watchWarnings()
    const { call, stateOf } = setUp({ limits: [{ per: 'tenant', period: 'day', softUsd: 1 }] })
    await call(fakeModel(), unknown)
    await call(fakeModel(), unknown)
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
    await warned()
    expect(warnings).toEqual([
      'budget: what "fake.other-v1" can cost is not known (unknown_model). It is in no sum.',
    ])
  })
})

test('a soft limit warns once for each period and owner, and stops nothing', async () => {
  const warnings = watchWarnings()
  const { call, records, clock } = setUp({
    limits: [{ per: 'tenant', period: 'day', softUsd: usd(2n * actual), hardUsd: 1 }],
  })
  await call()
  expect(records).toEqual([])
  for (let n = 0; n < 3; n++) await call()
  const about = { event: 'warned', budget: 'tenant-day', limitUsd: usdText(2n * actual) }
  expect(records).toMatchObject([{ ...about, owner: 'acme', spentUsd: usdText(2n * actual) }])
  for (let n = 0; n < 3; n++) await call(fakeModel(), { tenant: 'other' })
  expect(records).toHaveLength(2)
  await clock.advance(12 * hourMs)
  for (let n = 0; n < 3; n++) await call()
  expect(records).toHaveLength(3)
  await warned()
  expect(warnings[0]).toBe(
    'budget: 0.00021 USD are spent of "tenant-day" of "acme", the soft limit is 0.00021.',
  )
})

describe('modes', () => {
  test('observe counts everything, refuses nothing, and tells what it would have refused', async () => {
    const { call, records, stateOf } = setUp({ mode: 'observe' })
    await call()
    expect(records).toEqual([])
    await call()
    expect(records).toMatchObject([
      {
        event: 'refused',
        mode: 'observe',
        spentUsd: usdText(actual),
        reservedUsd: '0',
        neededUsd: usdText(worst),
      },
    ])
    expect(await stateOf()).toEqual({ spent: 2n * actual, reserved: 0n })
    await call(fakeModel(), { modelId: 'fake.other-v1' })
    expect(records.at(-1)).toMatchObject({ event: 'unpriced', mode: 'observe' })
  })

  test('off does nothing, and a function switches without a deployment', async () => {
    let mode: 'off' | 'enforce' = 'off'
    const { call, clock, stateOf } = setUp({ mode: () => mode })
    await call()
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
    mode = 'enforce'
    await clock.advance(30_000)
    await call()
    await refusalOf(call())
  })
})

describe('while the store does not answer', () => {
  const away = () => ({ reserve: down })

  test('nothing is sent under a hard limit', async () => {
    const { call, records } = setUp({}, away)
    const model = fakeModel()
    const error = await refusalOf(call(model))
    expect(error).toMatchObject({ reason: 'store', statusCode: 503, retryable: true, retryAfterMs: 1_000 })
    expect(error.cause).toMatchObject({ message: 'the table is away' })
    expect(model.sent).toBe(0)
    expect(records).toMatchObject([{ event: 'store_failed', errorName: 'Error' }])
  })

  test.each<[string, Partial<BudgetOptions>]>([
    ['onStoreError is open', { onStoreError: 'open' }],
    ['there are soft limits only', { limits: [{ per: 'all', period: 'day', softUsd: 1 }] }],
    ['the mode is observe', { mode: 'observe' }],
  ])('everything is sent where %s', async (_, options) => {
    const { call, stateOf } = setUp(options, away)
    const model = fakeModel()
    await call(model)
    expect(model.sent).toBe(1)
    expect(await stateOf()).toEqual({ spent: 0n, reserved: 0n })
  })
})

test.each<[Partial<BudgetOptions>, RegExp]>([
  [{ store: undefined as never }, /no store/],
  [{ onStoreError: 'shut' as never }, /onStoreError is "shut"/],
  [{ inputMargin: 0.9 }, /inputMargin is 0.9/],
  [{ retryWithinMs: -1 }, /retryWithinMs is -1/],
  [{ mode: 'on' as never }, /mode is "on"/],
  [{ unpriced: { maxCostUsd: -1 } }, /unpriced\.maxCostUsd is -1/],
  [{ limits: [] }, /limits is empty/],
])('wrong options are refused at start: %j', (options, message) => {
  const right: BudgetOptions = {
    limits: [{ per: 'all', period: 'day', hardUsd: 1 }],
    store: memoryBudgetStore(),
    prices,
  }
  expect(() => budget({ ...right, ...options })).toThrow(TypeError)
  expect(() => budget({ ...right, ...options })).toThrow(message)
})
