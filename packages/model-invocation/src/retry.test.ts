import {
  type Clock,
  callModel,
  type ModelError,
  ModelThrottledError,
  runInScope,
  SluiceError,
} from '@sluice/core'
import { type FakeScript, fakeClock, fakeModel } from '@sluice/core/testing'
import { StandardRetryStrategy } from '@smithy/core/retry'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type RetryOptions, retry } from './retry.ts'

const unavailable = new SluiceError('unavailable', { code: 'unavailable', retryable: true })
const invalid = new SluiceError('invalid', { code: 'invalid_request' })
function throttled(retryAfterMs?: number): ModelError {
  return new ModelThrottledError('throttled', { code: 'throttled', retryable: true, retryAfterMs })
}

/** A clock on which every wait is over at once, and which notes how long it was. */
function instantClock(): Clock & { readonly waitsMs: number[] } {
  const waitsMs: number[] = []
  let nowMs = 1_700_000_000_000
  return {
    waitsMs,
    now: () => nowMs,
    after(delayMs, callback) {
      waitsMs.push(delayMs)
      const immediate = setImmediate(() => {
        nowMs += delayMs
        callback()
      })
      return () => clearImmediate(immediate)
    },
  }
}

interface Made {
  readonly attempts: number
  readonly waitsMs: readonly number[]
  readonly error: unknown
}

/** Makes one call that meets `scripts`, one after the other. */
async function make(
  policy: ReturnType<typeof retry>,
  scripts: readonly FakeScript[],
  deadlineInMs = Number.POSITIVE_INFINITY,
): Promise<Made> {
  const clock = instantClock()
  const model = fakeModel(...scripts)
  const deadlineMs = clock.now() + deadlineInMs
  const error = await runInScope({ clock, deadlineMs, policies: [policy] }, (scope) =>
    callModel(scope, model.request()),
  ).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return { attempts: model.sent, waitsMs: clock.waitsMs, error }
}

const failing = (error: Error, times = 100): FakeScript[] => Array.from({ length: times }, () => ({ error }))
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('backoff', () => {
  test('full jitter: anything from nothing up to the exponential bound, never more', async () => {
    const options = fc.record({
      maxAttempts: fc.integer({ min: 1, max: 12 }),
      baseDelayMs: fc.integer({ min: 0, max: 5_000 }),
      throttledBaseDelayMs: fc.integer({ min: 0, max: 5_000 }),
      maxDelayMs: fc.integer({ min: 0, max: 30_000 }),
    })
    await fc.assert(
      fc.asyncProperty(options, random, fc.boolean(), async (options, jitter, isThrottle) => {
        const policy = retry({ ...options, budgetTokens: 10_000, random: () => jitter })
        const { attempts, waitsMs, error } = await make(
          policy,
          failing(isThrottle ? throttled() : unavailable),
        )
        expect(attempts).toBe(options.maxAttempts)
        expect(error).toMatchObject({ retryable: true })
        const base = isThrottle ? options.throttledBaseDelayMs : options.baseDelayMs
        expect(waitsMs).toEqual(
          Array.from({ length: attempts - 1 }, (_, i) =>
            Math.floor(jitter * Math.min(base * 2 ** i, options.maxDelayMs)),
          ),
        )
      }),
    )
  })

  test('a hint is honoured, but not for more than 5 s beyond the backoff', async () => {
    await fc.assert(
      fc.asyncProperty(random, fc.integer({ min: 0, max: 60_000 }), async (jitter, hintMs) => {
        const { waitsMs } = await make(
          retry({ maxAttempts: 2, random: () => jitter }),
          failing(throttled(hintMs)),
        )
        const backoffMs = Math.floor(jitter * 1000)
        expect(waitsMs).toEqual([Math.max(backoffMs, Math.min(hintMs, backoffMs + 5_000))])
      }),
    )
  })

  test('the wait is accounted for', async () => {
    const clock = instantClock()
    const waited: unknown[] = []
    const policy = retry({ random: () => 0.5 })
    await runInScope({ clock, policies: [policy] }, async (scope) => {
      scope.use({
        name: 'watch',
        stage: 'deadline',
        wrap: (next) => (request, context) => {
          context.call.onEnd(({ waitedMs, attempts }) => waited.push(waitedMs, attempts))
          return next(request, context)
        },
      })
      await callModel(scope, fakeModel({ error: unavailable }, { error: throttled() }, {}).request())
    })
    expect(waited).toEqual([{ retry: 25 + 1000 }, 3])
  })
})

describe('the deadline', () => {
  test('leaves room for a wait that ends before it, to the millisecond', async () => {
    const attemptsWithin = async (deadlineInMs: number) => {
      const policy = retry({ maxAttempts: 2, random: () => 0.5 })
      return (await make(policy, failing(throttled()), deadlineInMs)).attempts
    }
    expect(await attemptsWithin(501)).toBe(2)
    expect(await attemptsWithin(500)).toBe(1)
  })

  test('is never waited past: the error comes back at once instead', async () => {
    await fc.assert(
      fc.asyncProperty(random, fc.integer({ min: 0, max: 10_000 }), async (jitter, deadlineInMs) => {
        const policy = retry({ maxAttempts: 6, random: () => jitter })
        const { waitsMs, attempts, error } = await make(policy, failing(throttled()), deadlineInMs)
        const waitedMs = waitsMs.reduce((sum, waitMs) => sum + waitMs, 0)
        expect(waitedMs).toBeLessThan(Math.max(1, deadlineInMs))
        expect(error).toMatchObject({ code: 'throttled' })
        // The next wait is what did not fit.
        if (attempts < 6) {
          const nextMs = Math.floor(jitter * Math.min(1000 * 2 ** (attempts - 1), 20_000))
          expect(waitedMs + nextMs).toBeGreaterThanOrEqual(deadlineInMs)
        }
      }),
    )
  })
})

async function readAll(events: AsyncIterable<unknown> | readonly unknown[]): Promise<void> {
  for await (const _ of events);
}

describe('what is tried again', () => {
  test.for([
    ['an answer', {}, 1],
    ['a refusal', { error: invalid }, 1],
    ['an error that is none of ours', { error: new RangeError('bug') }, 1],
    ['a throttle', { error: throttled() }, 3],
    ['an outage', { error: unavailable }, 3],
  ] as const)('%s', async ([, script, expected]) => {
    expect((await make(retry({ random: () => 0 }), [script])).attempts).toBe(expected)
  })

  test('what the user says', async () => {
    const retryOn = vi.fn(
      (error: unknown) => error instanceof SluiceError && error.cause instanceof RangeError,
    )
    const policy = retry({ retryOn, random: () => 0 })
    expect((await make(policy, [{ error: new RangeError('bug') }])).attempts).toBe(3)
    expect((await make(policy, [{ error: unavailable }])).attempts).toBe(1)
    expect(retryOn).toHaveBeenCalledTimes(3)
  })

  test('a stream that breaks before its first content, and none after it', async () => {
    const broken: FakeScript[] = [
      { pieces: [], ending: 'throw' },
      { pieces: [], ending: 'truncate' },
      { pieces: ['a'] },
    ]
    expect(await make(retry({ retryOn: () => true, random: () => 0 }), broken)).toMatchObject({
      attempts: 3,
      error: undefined,
    })
    const model = fakeModel({ pieces: ['a'], ending: 'throw' })
    await runInScope({ policies: [retry({ retryOn: () => true, random: () => 0 })] }, async (scope) => {
      const { events = [] } = await callModel(scope, model.request({ streaming: true }))
      await expect(readAll(events)).rejects.toMatchObject({ partial: true })
    })
    expect(model.sent).toBe(1)
  })
})

describe('the budget of the sandbox', () => {
  test('stops retries of all invocations when the provider is down, and refills with answers', async () => {
    const policy = retry({ budgetTokens: 42, random: () => 0 })
    const down = failing(unavailable)
    expect((await make(policy, down)).attempts).toBe(3)
    expect((await make(policy, down)).attempts).toBe(2)
    expect((await make(policy, down)).attempts).toBe(1)
    // An answer without a retry gives one token back; fourteen of them pay for one retry.
    for (let i = 0; i < 13; i++) await make(policy, [{}])
    expect((await make(policy, down)).attempts).toBe(1)
    await make(policy, [{}])
    expect((await make(policy, down)).attempts).toBe(2)
  })

  test('a retry that succeeds costs nothing in the end', async () => {
    const policy = retry({ budgetTokens: 14, random: () => 0 })
    for (let i = 0; i < 5; i++) {
      expect(await make(policy, [{ error: unavailable }, {}])).toMatchObject({
        attempts: 2,
        error: undefined,
      })
    }
  })

  test('a throttle costs 5, and nobody gets more than there was', async () => {
    const policy = retry({ budgetTokens: 12, random: () => 0 })
    for (let i = 0; i < 20; i++) await make(policy, [{}])
    expect((await make(policy, failing(throttled()))).attempts).toBe(3)
    expect((await make(policy, failing(throttled()))).attempts).toBe(1)
  })

  test('of two policies are two', async () => {
    const [one, other] = [
      retry({ budgetTokens: 14, random: () => 0 }),
      retry({ budgetTokens: 14, random: () => 0 }),
    ]
    expect((await make(one, failing(unavailable))).attempts).toBe(2)
    expect((await make(one, failing(unavailable))).attempts).toBe(1)
    expect((await make(other, failing(unavailable))).attempts).toBe(2)
  })
})

describe('an abort during the wait', () => {
  async function waiting(use: (abort: () => void, end: () => Promise<void>) => void) {
    const clock = fakeClock()
    const model = fakeModel({ error: throttled() })
    const controller = new AbortController()
    let error: unknown
    await runInScope({ clock, policies: [retry({ random: () => 0.5 })] }, async (scope) => {
      const calling = callModel(scope, model.request(), { signal: controller.signal }).catch((thrown) => {
        error = thrown
      })
      await clock.advance(100)
      expect(clock.pending).toBe(1)
      use(
        () => controller.abort(),
        () => scope.end(),
      )
      await calling
    })
    return { error, sent: model.sent, pending: clock.pending }
  }

  test('by the caller ends the call at once', async () => {
    expect(await waiting((abort) => abort())).toMatchObject({
      error: { name: 'AbortError' },
      sent: 1,
      pending: 0,
    })
  })

  test('by the end of the invocation ends the call at once', async () => {
    expect(await waiting((_abort, end) => void end())).toMatchObject({
      error: { name: 'ScopeEndedError' },
      sent: 1,
      pending: 0,
    })
  })
})

describe('beside the strategy of the SDK', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  type Meets = 'answer' | 'throttle' | 'outage' | 'refusal' | { readonly hintMs: number }

  /** One call by the SDK's rules, as its retry middleware drives the strategy. */
  async function makeBySdk(
    strategy: StandardRetryStrategy,
    meets: readonly Meets[],
  ): Promise<Omit<Made, 'error'>> {
    let token = await strategy.acquireInitialRetryToken('')
    const waitsMs: number[] = []
    for (let attempts = 1; ; attempts++) {
      const met = meets[Math.min(attempts, meets.length) - 1] as Meets
      if (met === 'answer') {
        strategy.recordSuccess(token)
        return { attempts, waitsMs }
      }
      const refreshed = strategy.refreshRetryTokenForRetry(token, {
        errorType: met === 'refusal' ? 'CLIENT_ERROR' : met === 'outage' ? 'TRANSIENT' : 'THROTTLING',
        ...(typeof met === 'object' && { retryAfterHint: new Date(Date.now() + met.hintMs) }),
      })
      const startMs = Date.now()
      const next = await Promise.all([refreshed.catch(() => undefined), vi.runAllTimersAsync()])
      if (!next[0]) return { attempts, waitsMs }
      waitsMs.push(Date.now() - startMs)
      token = next[0]
    }
  }

  function scriptOf(met: Meets): FakeScript {
    if (met === 'answer') return {}
    if (met === 'refusal') return { error: invalid }
    if (met === 'outage') return { error: unavailable }
    return { error: throttled(met === 'throttle' ? undefined : met.hintMs) }
  }

  test('the same attempts and the same waits, call after call, until the budget is used up and after', async () => {
    const meets = fc.oneof(
      { arbitrary: fc.constantFrom<Meets>('throttle', 'outage'), weight: 6 },
      { arbitrary: fc.constantFrom<Meets>('answer', 'refusal'), weight: 2 },
      { arbitrary: fc.record({ hintMs: fc.integer({ min: 1, max: 30_000 }) }), weight: 1 },
    )
    const calls = fc.array(fc.array(meets, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(calls, fc.integer({ min: 1, max: 4 }), random, async (calls, maxAttempts, jitter) => {
        vi.spyOn(Math, 'random').mockReturnValue(jitter)
        const options: RetryOptions = { maxAttempts }
        const ours = retry(options)
        const theirs = new StandardRetryStrategy(maxAttempts)
        for (const met of calls) {
          const { attempts, waitsMs } = await make(ours, met.map(scriptOf))
          expect({ attempts, waitsMs }).toEqual(await makeBySdk(theirs, met))
        }
      }),
      { numRuns: 40 },
    )
  })
})
