import {
  callModel,
  ModelError,
  ModelThrottledError,
  runInScope,
  type Scope,
  SluiceError,
  type SluiceErrorCode,
  TransportError,
} from '@sluice/core'
import { type FakeClock, fakeClock, fakeModel } from '@sluice/core/testing'
import { type BreakerStore, memoryBreakerStore } from '@sluice/store'
import { ConsecutiveBreaker, CountBreaker, SamplingBreaker } from 'cockatiel'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { type CircuitBreaker, circuitBreaker, fallback, type Pass } from './index.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const unavailable = new ModelError('down', { code: 'unavailable', retryable: true })
const daily = new ModelThrottledError('tomorrow', { code: 'daily_quota_exceeded' })
const invalid = new ModelError('bad', { code: 'invalid_request' })

/** A sandbox: its own breaker, its own invocation. */
async function inSandbox<Result>(clock: FakeClock, work: (scope: Scope) => Promise<Result>): Promise<Result> {
  return runInScope({ clock }, work)
}

async function admitted(breaker: CircuitBreaker, scope: Scope, key = 'a'): Promise<Pass | SluiceError> {
  return breaker.admit(key, { scope, signal: scope.signal, call: undefined as never })
}

function isPass(admission: Pass | SluiceError): admission is Pass {
  return !SluiceError.is(admission)
}

async function failing(breaker: CircuitBreaker, scope: Scope, error: unknown, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    const pass = await admitted(breaker, scope)
    if (!isPass(pass)) throw pass
    pass.end(error)
  }
}

describe('one sandbox', () => {
  test('it opens after five failures in a row, and says when to come back', async () => {
    const clock = fakeClock()
    await inSandbox(clock, async (scope) => {
      const breaker = circuitBreaker({ openMs: 30_000 })
      await failing(breaker, scope, unavailable, 4)
      await failing(breaker, scope, undefined, 1)
      await failing(breaker, scope, unavailable, 5)
      await clock.advance(10_000)
      expect(await admitted(breaker, scope)).toMatchObject({
        code: 'unavailable',
        retryable: true,
        retryAfterMs: 20_000,
        unbilled: true,
      })
      expect(isPass(await admitted(breaker, scope, 'b'))).toBe(true)
    })
  })

  test('after a while one may try: if it fails the circuit stays open, if it is answered the count is new', async () => {
    const clock = fakeClock()
    await inSandbox(clock, async (scope) => {
      const breaker = circuitBreaker({ openMs: 30_000 })
      await failing(breaker, scope, unavailable, 5)
      await clock.advance(30_000)
      const turns = await Promise.all([1, 2, 3].map(() => admitted(breaker, scope)))
      const [probe, ...others] = turns.filter(isPass)
      expect(others).toEqual([])
      probe?.end(unavailable)
      await clock.advance(29_999)
      expect(isPass(await admitted(breaker, scope))).toBe(false)
      await clock.advance(1)
      ;((await admitted(breaker, scope)) as Pass).end()
      await failing(breaker, scope, unavailable, 4)
      expect(isPass(await admitted(breaker, scope))).toBe(true)
    })
  })

  test('the quota of a day opens it at once, and for longer', async () => {
    const clock = fakeClock()
    await inSandbox(clock, async (scope) => {
      const breaker = circuitBreaker()
      await failing(breaker, scope, daily, 1)
      expect(await admitted(breaker, scope)).toMatchObject({ retryAfterMs: 15 * 60_000 })
    })
  })

  test('what is not the fault of the model counts neither way', async () => {
    await inSandbox(fakeClock(), async (scope) => {
      const breaker = circuitBreaker({ trip: () => new ConsecutiveBreaker(2) })
      await failing(breaker, scope, unavailable, 1)
      const ownQuota = new SluiceError('wait', { code: 'throttled', retryable: true })
      for (const error of [invalid, ownQuota, new Error('a bug')]) await failing(breaker, scope, error, 3)
      await failing(breaker, scope, unavailable, 1)
      expect(isPass(await admitted(breaker, scope))).toBe(false)
    })
  })

  const counted: SluiceErrorCode[] = [
    'throttled',
    'unavailable',
    'model_failed',
    'transport_failed',
    'access_denied',
    'not_found',
  ]
  test.each(counted)('%s counts', async (code) => {
    await inSandbox(fakeClock(), async (scope) => {
      const breaker = circuitBreaker({ trip: () => new ConsecutiveBreaker(1) })
      const Kind = code === 'transport_failed' ? TransportError : ModelError
      await failing(breaker, scope, new Kind('failed', { code }), 1)
      expect(isPass(await admitted(breaker, scope))).toBe(false)
    })
  })

  test('a try that says nothing about the model gives the turn back', async () => {
    const clock = fakeClock()
    await inSandbox(clock, async (scope) => {
      const breaker = circuitBreaker({ openMs: 30_000 })
      await failing(breaker, scope, unavailable, 5)
      await clock.advance(30_000)
      ;((await admitted(breaker, scope)) as Pass).end(invalid)
      expect(isPass(await admitted(breaker, scope))).toBe(true)
    })
  })

  test('a call that began before the circuit opened neither closes it nor leaves it open for longer', async () => {
    const clock = fakeClock()
    await inSandbox(clock, async (scope) => {
      const store = memoryBreakerStore()
      const breaker = circuitBreaker({ store })
      const [slow, slower] = [await admitted(breaker, scope), await admitted(breaker, scope)]
      await failing(breaker, scope, unavailable, 5)
      const openUntilMs = await store.get('a')
      await clock.advance(1_000)
      ;(slow as Pass).end()
      ;(slower as Pass).end(unavailable)
      expect(await store.get('a')).toBe(openUntilMs)
    })
  })

  test.each([
    ['ConsecutiveBreaker', () => new ConsecutiveBreaker(3)],
    ['CountBreaker', () => new CountBreaker({ threshold: 0.5, size: 3 })],
    ['SamplingBreaker', () => new SamplingBreaker({ threshold: 0.5, duration: 1_000, minimumRps: 1 })],
  ])("cockatiel's %s is a rule", async (_, trip) => {
    await inSandbox(fakeClock(), async (scope) => {
      const breaker = circuitBreaker({ trip })
      let failures = 0
      while (isPass(await admitted(breaker, scope)) && failures < 10) {
        await failing(breaker, scope, unavailable, 1)
        failures++
      }
      expect(failures).toBeGreaterThan(0)
      expect(failures).toBeLessThanOrEqual(3)
    })
  })
})

describe('several sandboxes', () => {
  test('what one found out holds for all; one of them tries; its death locks nobody out', async () => {
    const clock = fakeClock()
    const store = memoryBreakerStore()
    const sandboxes = [1, 2, 3].map(() => circuitBreaker({ store, openMs: 30_000, probeLeaseMs: 60_000 }))
    const [first, second, third] = sandboxes as [CircuitBreaker, CircuitBreaker, CircuitBreaker]
    await inSandbox(clock, async (scope) => {
      expect(isPass(await admitted(second, scope))).toBe(true)
      await failing(first, scope, unavailable, 5)
      await clock.advance(1_000)
      expect(isPass(await admitted(second, scope))).toBe(false)
      expect(isPass(await admitted(third, scope))).toBe(false)

      await clock.advance(29_000)
      const turns = await Promise.all(sandboxes.map((breaker) => admitted(breaker, scope)))
      expect(turns.map(isPass)).toEqual([true, false, false])
      // The first one is never heard of again.
      await clock.advance(59_999)
      expect(isPass(await admitted(second, scope))).toBe(false)
      await clock.advance(1)
      const turn = await admitted(second, scope)
      expect(isPass(turn)).toBe(true)
      // It was only frozen, and knows nothing of what happened since.
      ;(turns[0] as Pass).end(unavailable)
      ;(turn as Pass).end()
      await clock.advance(1_000)
      for (const breaker of sandboxes) expect(isPass(await admitted(breaker, scope))).toBe(true)
      expect(await store.get('a')).toBeUndefined()
    })
  })

  test('who tried for too long has no say when somebody else tries, in the same sandbox either', async () => {
    const clock = fakeClock()
    const store = memoryBreakerStore()
    const breaker = circuitBreaker({ store, openMs: 30_000, probeLeaseMs: 60_000 })
    await inSandbox(clock, async (scope) => {
      await failing(breaker, scope, unavailable, 5)
      await clock.advance(30_000)
      const slow = (await admitted(breaker, scope)) as Pass
      await clock.advance(60_000)
      const next = (await admitted(breaker, scope)) as Pass
      const leaseEndMs = await store.get('a')
      slow.end()
      expect(await store.get('a')).toBe(leaseEndMs)
      slow.end(unavailable)
      expect(await store.get('a')).toBe(leaseEndMs)
      next.end()
      expect(await store.get('a')).toBeUndefined()
    })
  })

  type Verdict = 'answered' | 'failed' | 'daily' | 'neither'
  const errors: Record<Verdict, unknown> = {
    answered: undefined,
    failed: unavailable,
    daily,
    neither: invalid,
  }

  /** The rules in their simplest form: one number for all, a count and what it last saw for each sandbox. */
  class Reference {
    openUntilMs: number | undefined
    readonly sandboxes: { failures: number; sees: number | undefined }[]
    constructor(count: number) {
      this.sandboxes = Array.from({ length: count }, () => ({ failures: 0, sees: undefined }))
    }
    #see(index: number, value: number | undefined) {
      const sandbox = this.sandboxes[index]!
      if (sandbox.sees !== undefined && value === undefined) sandbox.failures = 0
      sandbox.sees = value
      return sandbox
    }
    #move(index: number, next: number | undefined) {
      if (this.openUntilMs === this.sandboxes[index]!.sees) this.openUntilMs = next
      this.#see(index, next)
    }
    admit(index: number, now: number): 'usual' | { lease: number } | undefined {
      const { sees } = this.#see(index, this.openUntilMs)
      if (sees === undefined) return 'usual'
      if (now < sees) return undefined
      this.#move(index, now + 60)
      return { lease: now + 60 }
    }
    end(index: number, pass: 'usual' | { lease: number }, verdict: Verdict, now: number) {
      const sandbox = this.sandboxes[index]!
      const length = verdict === 'daily' ? 900 : 30
      if (pass === 'usual') {
        if (sandbox.sees !== undefined) return
        if (verdict === 'answered') sandbox.failures = 0
        if (verdict === 'failed' || verdict === 'daily') sandbox.failures++
        if (verdict === 'daily' || (verdict === 'failed' && sandbox.failures >= 2))
          this.#move(index, now + length)
      } else if (sandbox.sees === pass.lease) {
        if (verdict === 'answered') this.#move(index, undefined)
        else this.#move(index, verdict === 'neither' ? now : now + length)
      }
    }
  }

  const operation = fc.oneof(
    fc.record({ kind: fc.constant('admit' as const), sandbox: fc.nat(2) }),
    fc.record({
      kind: fc.constant('end' as const),
      pass: fc.nat(9),
      verdict: fc.constantFrom<Verdict>('answered', 'failed', 'failed', 'daily', 'neither'),
    }),
    fc.record({ kind: fc.constant('die' as const), pass: fc.nat(9) }),
    fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 29, 30, 31, 60, 900) }),
  )

  test('any history: as the reference says, one try at a time, and never locked for good', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const clock = fakeClock()
        const store = memoryBreakerStore()
        const options = { store, openMs: 30, dailyOpenMs: 900, probeLeaseMs: 60, refreshMs: 0 }
        const breakers = [0, 1, 2].map(() =>
          circuitBreaker({ ...options, trip: () => new ConsecutiveBreaker(2) }),
        )
        const reference = new Reference(3)
        const open: { sandbox: number; pass: Pass; expected: 'usual' | { lease: number } }[] = []
        await inSandbox(clock, async (scope) => {
          for (const step of operations) {
            if (step.kind === 'advance') {
              await clock.advance(step.ms)
            } else if (step.kind === 'admit') {
              const admission = await admitted(breakers[step.sandbox]!, scope)
              const expected = reference.admit(step.sandbox, clock.now())
              expect(isPass(admission)).toBe(expected !== undefined)
              if (isPass(admission) && expected)
                open.push({ sandbox: step.sandbox, pass: admission, expected })
            } else if (open.length > 0) {
              const [{ sandbox, pass, expected }] = open.splice(step.pass % open.length, 1) as [
                (typeof open)[0],
              ]
              if (step.kind === 'die') continue
              pass.end(errors[step.verdict])
              reference.end(sandbox, expected, step.verdict, clock.now())
            }
            expect(await store.get('a')).toBe(reference.openUntilMs)
            const trying = open.filter(({ expected }) => expected !== 'usual' && expected.lease > clock.now())
            expect(trying.length).toBeLessThanOrEqual(1)
          }
          await clock.advance(900)
          expect(isPass(await admitted(breakers[0]!, scope))).toBe(true)
        })
      }),
      { numRuns: 200 },
    )
  })
})

describe('with fallback()', () => {
  function models(down: Set<string>) {
    const asked: string[] = []
    const model = fakeModel({
      before({ modelId }) {
        asked.push(modelId)
        if (down.has(modelId)) throw unavailable
      },
    })
    return { asked, request: model.request({ modelId: 'a', baseModelId: 'a' }) }
  }

  test('an open model is passed over until it answers again', async () => {
    const clock = fakeClock()
    const down = new Set(['a'])
    const { asked, request } = models(down)
    const policy = fallback(['b'], {
      breaker: circuitBreaker({ openMs: 30_000, trip: () => new ConsecutiveBreaker(2) }),
    })
    const call = () => runInScope({ clock, policies: [policy] }, (scope) => callModel(scope, request))
    for (let round = 0; round < 4; round++) await call()
    expect(asked.splice(0).join(' ')).toBe('a b a b b b')
    await clock.advance(30_000)
    await call()
    await call()
    expect(asked.splice(0).join(' ')).toBe('a b b')
    down.clear()
    await clock.advance(30_000)
    await call()
    await call()
    expect(asked.join(' ')).toBe('a a')
  })

  test('when all are open, the call fails at once and says when to come back', async () => {
    const clock = fakeClock()
    const { asked, request } = models(new Set(['a', 'b']))
    const breaker = circuitBreaker({ openMs: 30_000, trip: () => new ConsecutiveBreaker(1) })
    const policy = fallback(['b'], { breaker })
    const call = () => runInScope({ clock, policies: [policy] }, (scope) => callModel(scope, request))
    await expect(call()).rejects.toBe(unavailable)
    asked.splice(0)
    await clock.advance(10_000)
    const error = await call().catch((thrown: SluiceError) => thrown)
    expect(error).toMatchObject({
      code: 'unavailable',
      retryable: true,
      retryAfterMs: 20_000,
      statusCode: 503,
    })
    expect((error as SluiceError).message).toContain('a failed too often')
    expect((error as SluiceError).errors).toHaveLength(1)
    expect(asked).toEqual([])
  })

  test('one model behind two clients has two circuits', async () => {
    const { request } = models(new Set())
    const provider = (name: string) => ({
      modelId: 'x',
      owns: () => false,
      adopt: () => ({ ...request, modelId: 'x', baseModelId: name }),
    })
    const asked: string[] = []
    const down = fakeModel({
      before({ baseModelId }) {
        asked.push(baseModelId)
        if (baseModelId !== 'there') throw unavailable
      },
    })
    request.transport.send = down.request().transport.send
    const breaker = circuitBreaker({ trip: () => new ConsecutiveBreaker(1) })
    const policy = fallback([provider('here'), provider('there')], { breaker })
    for (let round = 0; round < 2; round++) {
      await runInScope({ policies: [policy] }, (scope) => callModel(scope, request))
    }
    expect(asked).toEqual(['a', 'here', 'there', 'there'])
  })
})

test('without its store each sandbox goes on alone, and says so once', async () => {
  const seen: string[] = []
  const onWarning = ({ message }: Error) => {
    seen.push(message)
  }
  process.on('warning', onWarning)
  closers.push(() => process.off('warning', onWarning))
  const store: BreakerStore = {
    get: () => Promise.reject(new TypeError('secret')),
    compareAndSet: () => Promise.reject(new TypeError('secret')),
  }
  const clock = fakeClock()
  await inSandbox(clock, async (scope) => {
    const breaker = circuitBreaker({ store, openMs: 30_000, refreshMs: 0 })
    await failing(breaker, scope, unavailable, 5)
    expect(isPass(await admitted(breaker, scope))).toBe(false)
    await clock.advance(30_000)
    const probe = await admitted(breaker, scope)
    expect(isPass(probe)).toBe(true)
    ;(probe as Pass).end()
    expect(isPass(await admitted(breaker, scope))).toBe(true)
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(seen).toEqual(['circuitBreaker: the store failed (TypeError). Each sandbox goes on alone.'])
})

test('calls that come while the store is being asked wait for its word', async () => {
  const clock = fakeClock()
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const store: BreakerStore = { get: () => promise, compareAndSet: async () => false }
  await inSandbox(clock, async (scope) => {
    const breaker = circuitBreaker({ store })
    const admissions = [1, 2, 3].map(() => admitted(breaker, scope))
    resolve(clock.now() + 1_000)
    expect((await Promise.all(admissions)).map(isPass)).toEqual([false, false, false])
  })
})

test('a store that hangs does not hold a call that is aborted', async () => {
  const store: BreakerStore = { get: () => new Promise(() => {}), compareAndSet: async () => false }
  const breaker = circuitBreaker({ store })
  const controller = new AbortController()
  await inSandbox(fakeClock(), async (scope) => {
    const waiting = breaker.admit('a', { scope, signal: controller.signal, call: undefined as never })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  })
})

test('calls that go well cost one look at the store in a second', async () => {
  let looks = 0
  const memory = memoryBreakerStore()
  const store: BreakerStore = {
    get(key) {
      looks++
      return memory.get(key)
    },
    compareAndSet: () => Promise.reject(new Error('nothing is to be written')),
  }
  const clock = fakeClock()
  await inSandbox(clock, async (scope) => {
    const breaker = circuitBreaker({ store })
    for (let call = 0; call < 10; call++) await failing(breaker, scope, undefined, 1)
    expect(looks).toBe(1)
    await clock.advance(1_000)
    await failing(breaker, scope, undefined, 1)
    expect(looks).toBe(2)
  })
})

test('options that cannot be right are refused by name', () => {
  expect(() => circuitBreaker({ openMs: -1 })).toThrow(/openMs is -1/)
  expect(() => circuitBreaker({ probeLeaseMs: Number.NaN })).toThrow(/probeLeaseMs is NaN/)
})
