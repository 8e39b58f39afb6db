/** One sandbox by itself: what a call meets on its way, on a clock that is moved by hand. */

import {
  callModel,
  currentScope,
  ModelThrottledError,
  noUsage,
  runInScope,
  type Scope,
  type ScopeOptions,
} from '@sluice/core'
import { type FakeScript, fakeClock, fakeModel, resetStatistics } from '@sluice/core/testing'
import { memoryQuotaStore } from '@sluice/store'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { QuotaExceededError } from './quota-exceeded-error.ts'
import { type QuotaThrottleOptions, quotaThrottle } from './quota-throttle.ts'
import type { QuotaMetrics } from './record.ts'
import { setQuotaMode } from './set-quota-mode.ts'

beforeEach(resetStatistics)
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function setUp(options: Partial<QuotaThrottleOptions> = {}, ...scripts: FakeScript[]) {
  const clock = fakeClock()
  const usage = { ...noUsage, inputTokens: 100, outputTokens: 100 }
  const model = fakeModel(...(scripts.length > 0 ? scripts : [{ usage }]))
  const policy = quotaThrottle({ quotas: { tokensPerMinute: 6_000 }, sandboxes: 1, clock, ...options })
  const request = (maxTokens = 900, fields: object = {}) =>
    model.request({ estimatedInputTokens: 100, maxTokens, ...fields })
  const inScope = <Result>(work: (scope: Scope) => Promise<Result>, scope: ScopeOptions = {}) =>
    runInScope({ clock, policies: [policy], ...scope }, work)
  return { clock, model, request, inScope }
}

const rejected = async (call: Promise<unknown>): Promise<QuotaExceededError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(QuotaExceededError)
  return error as QuotaExceededError
}

describe('hold, wait, settle', () => {
  test('what is held is the maximum; what is settled comes back', async () => {
    const { clock, request, model, inScope } = setUp({ maxWaitMs: 0 })
    await inScope(async (scope) => {
      for (let i = 0; i < 6; i++) await callModel(scope, request(5_000))
      expect(model.sent).toBe(5)
    }).catch(() => {})
    // 100 + 100 charged each: 5 x 200 leave 5,000 of 6,000, and 5,100 are asked for.
    expect(model.sent).toBe(5)
    await clock.advance(2_000)
    await inScope((scope) => callModel(scope, request(5_000)))
    expect(model.sent).toBe(6)
  })

  test('who does not fit waits for the refill, and the wait is in the record of the call', async () => {
    const { clock, request, model, inScope } = setUp()
    await inScope(async (scope) => {
      const calls = [1, 2].map(() => callModel(scope, request(5_900)))
      await clock.advance(0)
      expect(model.sent).toBe(1)
      await clock.advance(57_999)
      expect(model.sent).toBe(1)
      await clock.advance(4_000)
      await Promise.all(calls)
      expect(model.sent).toBe(2)
    })
  })

  test('a wait that the deadline does not allow is refused at once, before anything is sent', async () => {
    const { clock, request, model, inScope } = setUp()
    await inScope(
      async (scope) => {
        await callModel(scope, request())
        const error = await rejected(callModel(scope, request(5_900)))
        expect(error).toMatchObject({
          name: 'QuotaExceededError',
          code: 'quota_exceeded',
          limit: 'tokens',
          statusCode: 429,
          retryable: true,
          unbilled: true,
          overBy: 200,
          retryAfterMs: 2_000,
        })
        expect(error.message).toMatch(
          /takes 6000 tokens \(100 of the prompt, 5900 for the answer\).* short of 200/,
        )
      },
      { deadlineMs: clock.now() + 1_500 },
    )
    expect(model.sent).toBe(1)
  })

  test('a call that is larger than the burst can never be let in', async () => {
    const { request, inScope } = setUp()
    const error = await inScope((scope) => rejected(callModel(scope, request(6_000))))
    expect(error).toMatchObject({ retryable: false, retryAfterMs: undefined })
    expect(error.message).toMatch(/more than the quota ever holds at once\. Lower maxTokens/)
  })

  test('an aborted waiter leaves no trace: who comes after it does not wait for it', async () => {
    const { clock, request, model, inScope } = setUp()
    await inScope(async (scope) => {
      await callModel(scope, request())
      const controller = new AbortController()
      const waiting = callModel(scope, request(5_900), { signal: controller.signal })
      await clock.advance(100)
      controller.abort()
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
      const sent = model.sent
      await callModel(scope, request(5_000))
      expect(model.sent).toBe(sent + 1)
      expect(clock.pending).toBe(0)
    })
  })

  test('requests have a limit of their own; one that was never sent gives its place back', async () => {
    const quotas = { requestsPerMinute: 2 }
    const { request, inScope } = setUp({ quotas, maxWaitMs: 0 }, { usage: { ...noUsage, inputTokens: 1 } })
    await inScope(async (scope) => {
      await callModel(scope, request())
      await callModel(scope, request())
      expect(await rejected(callModel(scope, request()))).toMatchObject({ limit: 'requests', overBy: 1 })
    })
  })

  test('a model without quotas passes', async () => {
    const { request, inScope, model } = setUp({ quotas: { 'amazon.': { tokensPerMinute: 1 } } })
    await inScope((scope) => callModel(scope, request()))
    expect(model.sent).toBe(1)
  })
})

test('output counts as many times as the model says, and a debt is paid by time', async () => {
  const usage = { ...noUsage, inputTokens: 100, outputTokens: 1_000 }
  const models = { 'fake.': { burndown: 10 } }
  const { clock, request, inScope } = setUp({ models, maxWaitMs: 0 }, { usage })
  await inScope(async (scope) => {
    await callModel(scope, request(1_000))
    // 10,100 were charged of 6,000: 4,100 of debt, and 1,100 to come, as has been learned.
    expect(await rejected(callModel(scope, request(100)))).toMatchObject({
      overBy: 5_290,
      retryAfterMs: 52_900,
    })
    await clock.advance(52_900)
    await callModel(scope, request(100))
  })
})

describe('modes', () => {
  const metrics = () => {
    const added: [string, number][] = []
    const target: QuotaMetrics = {
      addMetric: (name, _unit, value) => added.push([name, value]),
      publishStoredMetrics() {},
    }
    return { added, target }
  }

  test('observe sends everything, and says what would have been refused', async () => {
    const { added, target } = metrics()
    const answered = Promise.withResolvers<void>()
    const options = { mode: 'observe', maxWaitMs: 0, metrics: target } as const
    const { clock, request, model, inScope } = setUp(options, { before: () => answered.promise })
    await inScope(async (scope) => {
      const calls = []
      for (let i = 0; i < 3; i++) {
        calls.push(callModel(scope, request(5_000)))
        await clock.advance(0)
      }
      answered.resolve()
      await Promise.all(calls)
    })
    expect(model.sent).toBe(3)
    expect(
      added.filter(([name]) => name === 'QuotaAdmitted' || name === 'QuotaShed').map(([name]) => name),
    ).toEqual(['QuotaAdmitted', 'QuotaShed', 'QuotaShed'])
  })

  test('off does nothing', async () => {
    const { added, target } = metrics()
    const { request, model, inScope } = setUp({ mode: 'off', metrics: target })
    await inScope((scope) => callModel(scope, request(50_000)))
    expect([model.sent, added]).toEqual([1, []])
  })
})

describe('a mode that the context tells', () => {
  const warnings: string[] = []
  beforeEach(() => {
    warnings.length = 0
    vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
  })
  afterEach(() => void vi.restoreAllMocks())

  /** One invocation after the other of one sandbox, with what another middleware has put on the context. */
  function invocations(options: Partial<QuotaThrottleOptions> = {}) {
    const mode = ({ quotaMode }: Readonly<Record<string, unknown>>) => quotaMode
    const throttle = quotaThrottle({ quotas: { tokensPerMinute: 6_000 }, sandboxes: 1, mode, ...options })
    const model = fakeModel({ usage: { ...noUsage, inputTokens: 100, outputTokens: 100 } })
    return async function invoke(quotaMode: unknown, maxTokens = 50_000) {
      const event = { event: {}, context: { quotaMode }, response: undefined } as never
      throttle.before?.(event)
      const call = callModel(currentScope() as Scope, model.request({ maxTokens }))
      const error = await call.then(() => undefined).catch((thrown: Error) => thrown.name)
      await throttle.after?.(event)
      return error ?? 'answered'
    }
  }

  test('holds for its own invocation, and switches with the next', async () => {
    const invoke = invocations()
    expect(await invoke('enforce')).toBe('QuotaExceededError')
    expect(await invoke('observe')).toBe('answered')
    expect(await invoke('enforce')).toBe('QuotaExceededError')
    expect(await invoke('off')).toBe('answered')
    expect(warnings).toEqual([])
  })

  test('what is missing or misspelt enforces, and says so once', async () => {
    const invoke = invocations()
    expect(await invoke('Off')).toBe('QuotaExceededError')
    expect(await invoke(undefined)).toBe('QuotaExceededError')
    expect(warnings).toEqual([
      'quotaThrottle: mode gave "Off". Use one of: enforce, observe, off. Until then: enforce.',
    ])
  })

  test('what is set in the store comes first', async () => {
    const store = memoryQuotaStore()
    const invoke = invocations({ store, region: 'default' })
    expect(await invoke('enforce', 100)).toBe('answered')
    await setQuotaMode(store, 'default/default/fake-runtime/on-demand/fake.model-v1', 'observe')
    await invoke('enforce', 100)
    expect(await invoke('enforce')).toBe('answered')
  })
})

test('a refusal of the provider lowers what is believed; the retry finds a smaller burst', async () => {
  const error = new ModelThrottledError('slow down', { code: 'throttled', retryable: true, unbilled: true })
  const { request, inScope } = setUp({}, { error })
  await inScope(async (scope) => {
    await expect(callModel(scope, request())).rejects.toBe(error)
  })
})

describe('what cannot be right is a TypeError at once', () => {
  test.each<[string, Partial<QuotaThrottleOptions>, RegExp]>([
    ['no quota', { quotas: {} }, /quotas is empty\. Give \{ tokensPerMinute \}/],
    [
      'a limit that is none',
      { quotas: { tokensPerMinute: 0 } },
      /quotas\.tokensPerMinute is 0\. Give an integer/,
    ],
    [
      'a misspelt one',
      { quotas: { tokenPerMinute: 5 } as never },
      /quotas\.tokenPerMinute is not a quota\. Use: tokens/,
    ],
    [
      'by model',
      { quotas: { 'amazon.': { tokensPerMinute: -1 } } },
      /quotas\["amazon\."\]\.tokensPerMinute is -1/,
    ],
    ['share', { share: 1.1 }, /share is 1\.1\. Give a number above 0, and at most 1/],
    ['sandboxes', { sandboxes: 0 }, /sandboxes is 0/],
    ['maxWaitMs', { maxWaitMs: -1 }, /maxWaitMs is -1/],
    ['weights', { weights: { acme: 0 } }, /weights\.acme is 0/],
    ['mode', { mode: 'watch' as never }, /mode is "watch"\. Use one of: enforce, observe, off/],
    ['a day without an account', { quotas: { tokensPerDay: 5 } }, /Give daily: dynamoDBBudgetStore/],
  ])('%s', (_name, options, message) => {
    expect(() => setUp(options)).toThrow(TypeError)
    expect(() => setUp(options)).toThrow(message)
  })

  test('in Lambda, no store and no number of sandboxes', () => {
    process.env.AWS_LAMBDA_FUNCTION_NAME = 'classify'
    closers.push(() => {
      delete process.env.AWS_LAMBDA_FUNCTION_NAME
    })
    const quotas = { tokensPerMinute: 1 }
    expect(() => quotaThrottle({ quotas })).toThrow(/no store\. Sandboxes that know nothing of each other/)
    expect(() => quotaThrottle({ quotas, sandboxes: 50 })).not.toThrow()
  })
})
