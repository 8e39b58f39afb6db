/** Several sandboxes with one store: what one learns, or is told, holds for all. */

import { callModel, ModelThrottledError, noUsage, runInScope } from '@sluice/core'
import { type FakeScript, fakeClock, fakeModel, resetStatistics } from '@sluice/core/testing'
import { memoryBudgetStore, memoryQuotaStore, type QuotaStore } from '@sluice/store'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { QuotaExceededError } from './quota-exceeded-error.ts'
import { type QuotaThrottleOptions, quotaThrottle } from './quota-throttle.ts'
import { setQuotaMode } from './set-quota-mode.ts'

beforeEach(resetStatistics)

const usage = { ...noUsage, inputTokens: 100, outputTokens: 100 }
const key = 'default/default/fake-runtime/on-demand/fake.model-v1'
const minutes = 60_000

function setUp() {
  const clock = fakeClock()
  const store = memoryQuotaStore({ now: clock.now })
  /** A sandbox: a throttle of its own, and a model that answers by script. */
  function sandbox(options: Partial<QuotaThrottleOptions> = {}, ...scripts: FakeScript[]) {
    const model = fakeModel(...(scripts.length > 0 ? scripts : [{ usage }]))
    const quotas = { tokensPerMinute: 6_000 }
    const policy = quotaThrottle({ quotas, store, clock, region: 'default', maxWaitMs: 0, ...options })
    return {
      model,
      call: (maxTokens = 900) =>
        runInScope({ clock, policies: [policy] }, (scope) =>
          callModel(scope, model.request({ estimatedInputTokens: 100, maxTokens })),
        ).then(
          () => 'answered',
          (error: unknown) => error,
        ),
    }
  }
  return { clock, store, sandbox }
}

test('what one sandbox holds, another does not get', async () => {
  const { sandbox } = setUp()
  const answered = Promise.withResolvers<void>()
  const one = sandbox({}, { usage, before: () => answered.promise })
  const holding = one.call(5_000)
  await vi.waitFor(() => expect(one.model.sent).toBe(1))
  const other = sandbox()
  expect(await other.call(900)).toMatchObject({ name: 'QuotaExceededError', limit: 'tokens' })
  answered.resolve()
  expect(await holding).toBe('answered')
  expect(await other.call(900)).toBe('answered')
})

describe('the tokens of the day are used up', () => {
  const daily = new ModelThrottledError('too many tokens per day', {
    code: 'daily_quota_exceeded',
    unbilled: true,
  })

  test('all leave the model alone; one tries after 15 minutes, and what it finds holds for all', async () => {
    const { clock, sandbox } = setUp()
    const first = sandbox({}, { error: daily }, { error: daily }, { usage })
    const second = sandbox()
    expect(await first.call()).toBe(daily)
    expect(await second.call()).toMatchObject({
      name: 'QuotaExceededError',
      limit: 'daily',
      retryAfterMs: 15 * minutes,
    })
    expect(second.model.sent).toBe(0)
    await clock.advance(15 * minutes)
    // The first one tries, in vain; the other one does not try as well.
    expect(await first.call()).toBe(daily)
    expect(await second.call()).toMatchObject({ limit: 'daily' })
    await clock.advance(15 * minutes)
    expect(await first.call()).toBe('answered')
    expect(await second.call()).toBe('answered')
  })
})

const throttled = new ModelThrottledError('slow down', { code: 'throttled', retryable: true, unbilled: true })

test('a refusal that one sandbox met lowers the burst of all', async () => {
  const { sandbox } = setUp()
  const first = sandbox({}, { error: throttled })
  const second = sandbox()
  expect(await second.call(4_000)).toBe('answered')
  expect(await first.call(1_000)).toBe(throttled)
  // What others have learned comes with the next answer of the store.
  expect(await second.call(100)).toBe('answered')
  expect(await second.call(4_000)).toMatchObject({ name: 'QuotaExceededError' })
})

test('who had asked before something was learned teaches nothing, who asks afterwards does', async () => {
  const { clock, store, sandbox } = setUp()
  const belief = async () => (await store.update(key, { limits: {} })).view.belief
  const refused = Promise.withResolvers<void>()
  const slow = { error: throttled, before: () => refused.promise }
  const { model, call } = sandbox({}, slow, { error: throttled })
  const early = call(1_000)
  await vi.waitFor(() => expect(model.sent).toBe(1))
  await clock.advance(1)
  expect(await call(1_000)).toBe(throttled)
  const learned = await belief()
  expect(learned.burstPermille).toBeLessThan(1000)
  await clock.advance(10_000)
  refused.resolve()
  expect(await early).toBe(throttled)
  expect(await belief()).toEqual(learned)
  expect(await call(1_000)).toBe(throttled)
  expect(await belief()).not.toEqual(learned)
})

test('the mode is switched for all, without their options', async () => {
  const { clock, store, sandbox } = setUp()
  const one = sandbox()
  expect(await one.call(5_000)).toBe('answered')
  await setQuotaMode(store, key, 'observe')
  await one.call(900)
  expect(await one.call(50_000)).toBe('answered')
  await setQuotaMode(store, key, 'off')
  await one.call(900)
  expect(await one.call(90_000)).toBe('answered')
  await setQuotaMode(store, key, 'enforce')
  await clock.advance(31_000)
  await one.call(900)
  await clock.advance(0)
  expect(await one.call(90_000)).toBeInstanceOf(QuotaExceededError)
})

describe('the store does not answer', () => {
  const broken: QuotaStore = { update: () => Promise.reject(new Error('no table')) }
  beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))

  test('open lets everything through', async () => {
    const { sandbox } = setUp()
    expect(await sandbox({ store: broken, onStoreError: 'open' }).call(90_000)).toBe('answered')
  })

  test('closed lets nothing through, and says why', async () => {
    const { sandbox } = setUp()
    const { model, call } = sandbox({ store: broken, onStoreError: 'closed' })
    const error = await call()
    expect(error).toMatchObject({ name: 'QuotaExceededError', limit: 'store', retryable: true })
    expect((error as Error).message).toMatch(/cannot be asked for, so nothing is sent/)
    expect(model.sent).toBe(0)
  })

  test('safe-share goes on with a part of the quota', async () => {
    const { sandbox } = setUp()
    const { call } = sandbox({ store: broken, sandboxes: 2 })
    expect(await call(2_000)).toBe('answered')
    expect(await call(2_600)).toBe('answered')
    const { call: callOfMany } = sandbox({ store: broken, sandboxes: 100 })
    await callOfMany(2_000)
    expect(await callOfMany(2_000)).toBeInstanceOf(QuotaExceededError)
  })
})

test('tokens of a day are held and settled once, over all sandboxes', async () => {
  const { clock, sandbox } = setUp()
  const budgets = memoryBudgetStore({ now: clock.now })
  const options = { quotas: { tokensPerDay: 1_500 }, daily: budgets }
  const one = sandbox(options)
  const other = sandbox(options)
  // 200 of 1,000 are used each time.
  expect(await one.call(900)).toBe('answered')
  expect(await other.call(900)).toBe('answered')
  expect(await one.call(900)).toBe('answered')
  const error = await other.call(900)
  expect(error).toMatchObject({ name: 'QuotaExceededError', limit: 'daily', overBy: 100 })
  expect((error as Error).message).toMatch(/1500 tokens a day has 900 left, and this call may take 1000/)
  expect(await other.call(700)).toBe('answered')
})
