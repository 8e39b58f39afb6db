import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import {
  type AttemptPolicy,
  type AttemptRecord,
  CallAbortedError,
  type CallRecord,
  callModel,
  ModelError,
  type ModelRequest,
  type ModelResponse,
  ModelThrottledError,
  noUsage,
  type Policy,
  runInScope,
  SluiceError,
  type SluiceErrorCode,
  StreamInterruptedError,
  sleep,
  TransportError,
} from '@sluice/core'
import { type FakeScript, fakeClock, fakeModel } from '@sluice/core/testing'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { type Candidate, fallback, retry, type Substitute } from './index.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const throttled = () => new ModelThrottledError('throttled', { code: 'throttled', retryable: true })

/** Models a, b, c, ... of one provider, that fail as told and answer otherwise. */
function models(failures: Record<string, unknown> = {}, script: FakeScript = {}) {
  const asked: string[] = []
  const model = fakeModel({
    ...script,
    before({ modelId }) {
      asked.push(modelId)
      if (modelId in failures) throw failures[modelId]
    },
  })
  return { asked, request: (modelId = 'a') => model.request({ modelId, baseModelId: modelId }) }
}

async function call(request: ModelRequest, ...policies: Policy[]): Promise<ModelResponse> {
  return runInScope({ policies }, (scope) => callModel(scope, request))
}

function failure(work: Promise<unknown>): Promise<SluiceError> {
  return work.then(
    () => {
      throw new Error('It did not fail.')
    },
    (error: SluiceError) => error,
  )
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

const tick = () => new Promise((resolve) => setImmediate(resolve))

describe('which failures switch', () => {
  const switches: Record<SluiceErrorCode, boolean> = {
    throttled: true,
    daily_quota_exceeded: true,
    quota_exceeded: true,
    unavailable: true,
    model_failed: true,
    transport_failed: true,
    stream_interrupted: true,
    access_denied: true,
    not_found: true,
    aborted: false,
    budget_exceeded: false,
    deadline_exceeded: false,
    payload_too_large: false,
    invalid_request: false,
    invalid_answer: false,
    invalid_event: false,
    no_scope: false,
    policy_conflict: false,
    scope_ended: false,
    tool_limit_exceeded: false,
    unexpected: false,
  }
  test.each(Object.entries(switches))('%s: %s', async (code, expected) => {
    const error = new SluiceError('failed', { code: code as SluiceErrorCode })
    const { asked, request } = models({ a: error })
    const answer = call(request(), fallback(['b']))
    if (expected) await answer
    else expect(await failure(answer)).toBe(error)
    expect(asked).toEqual(expected ? ['a', 'b'] : ['a'])
  })

  test('an error that is none of ours does not', async () => {
    const broken: Policy = {
      name: 'broken',
      stage: 'retry',
      wrap: () => () => Promise.reject(new Error('a bug')),
    }
    const { asked, request } = models()
    await expect(call(request(), fallback(['b']), broken)).rejects.toThrow('a bug')
    expect(asked).toEqual([])
  })

  test('a stream that breaks before its first content does, one that breaks after it does not', async () => {
    const asked: string[] = []
    const before = ({ modelId }: ModelRequest) => {
      asked.push(modelId)
    }
    const empty = fakeModel({ pieces: [], ending: 'truncate', before }, { pieces: ['x'], before })
    const { events = [] } = await call(empty.request({ modelId: 'a' }), fallback(['b']))
    expect(asked.splice(0)).toEqual(['a', 'b'])
    expect(events).toBeDefined()

    const cut = fakeModel({ pieces: ['x'], ending: 'truncate', before })
    await runInScope({ policies: [fallback(['b'])] }, async (scope) => {
      const { events = [] } = await callModel(scope, cut.request({ modelId: 'a' }))
      const reading = (async () => {
        for await (const _ of events);
      })()
      expect(await failure(reading)).toMatchObject({ name: 'StreamInterruptedError', partial: true })
    })
    expect(asked).toEqual(['a'])
  })

  test("when the caller's signal has aborted, nobody else is asked", async () => {
    const controller = new AbortController()
    const asked: string[] = []
    const model = fakeModel({
      before({ modelId }) {
        asked.push(modelId)
        controller.abort()
        return new Promise(() => {})
      },
    })
    const error = await runInScope({ policies: [fallback([{ model: 'b', when: () => true }])] }, (scope) =>
      failure(callModel(scope, model.request({ modelId: 'a' }), { signal: controller.signal })),
    )
    expect(error).toBeInstanceOf(CallAbortedError)
    expect(error.errors).toBeUndefined()
    expect(asked).toEqual(['a'])
  })

  test('a candidate says after which failures it is asked; the others are passed over', async () => {
    const tooLong = new ModelError('too long', { code: 'invalid_request' })
    const policy = () =>
      fallback(['b', { model: 'large', when: ['invalid_request'] }, { model: 'any', when: () => true }])
    const long = models({ a: tooLong, large: throttled() })
    await call(long.request(), policy())
    expect(long.asked).toEqual(['a', 'large', 'any'])
    const busy = models({ a: throttled(), b: throttled() })
    await call(busy.request(), policy())
    expect(busy.asked).toEqual(['a', 'b', 'any'])
  })
})

describe('who is asked', () => {
  test('first the model that the call names, then the others in their order', async () => {
    const all = { a: throttled(), b: throttled(), c: throttled(), x: throttled() }
    for (const [named, expected] of [
      ['a', 'abc'],
      ['b', 'bac'],
      ['c', 'cab'],
      ['x', 'xabc'],
    ] as const) {
      const { asked, request } = models(all)
      await failure(call(request(named), fallback(['a', 'b', 'c'])))
      expect(asked.join('')).toBe(expected)
    }
  })

  test('by weight: every order is drawn as often as its weights say', async () => {
    const failures = { a: throttled(), b: throttled(), c: throttled() }
    const weights: readonly Candidate[] = [
      { model: 'a', weight: 6 },
      { model: 'b', weight: 3 },
      { model: 'c', weight: 1 },
    ]
    let seed = 1
    const random = () => {
      seed = (seed * 48271) % 2147483647
      return seed / 2147483647
    }
    const policy = fallback(weights, { random })
    const { asked, request } = models(failures)
    const orders: Record<string, number> = {}
    const rounds = 4000
    for (let round = 0; round < rounds; round++) {
      await failure(call(request(), policy))
      const order = asked.splice(0).join('')
      orders[order] = (orders[order] ?? 0) + 1 / rounds
    }
    // Without replacement: P(abc) = 6/10 * 3/4, P(cba) = 1/10 * 3/9, ...
    const expected = { abc: 0.45, acb: 0.15, bac: 0.257, bca: 0.043, cab: 0.0667, cba: 0.0333 }
    expect(Object.keys(orders).toSorted()).toEqual(Object.keys(expected))
    for (const [order, share] of Object.entries(expected)) expect(orders[order]).toBeCloseTo(share, 1.5)
  })

  test('by weight, a call for a model that is not in the draw begins with its own', async () => {
    const { asked, request } = models({ x: throttled() })
    await call(request('x'), fallback([{ model: 'a', weight: 1 }]))
    expect(asked).toEqual(['x', 'a'])
  })

  test('every candidate has tries of its own', async () => {
    const { asked, request } = models({ a: throttled(), b: throttled(), c: throttled() })
    await failure(call(request(), retry({ maxAttempts: 2, random: () => 0 }), fallback(['b', 'c'])))
    expect(asked.join('')).toBe('aabbcc')
  })

  test('any list, any failures: each is asked once at most, in order, until one answers', async () => {
    const ids = ['a', 'b', 'c', 'd']
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(ids, { minLength: 1 }),
        fc.subarray(ids),
        fc.constantFrom(...ids),
        async (list, failing, named) => {
          const { asked, request } = models(Object.fromEntries(failing.map((id) => [id, throttled()])))
          const line = [named, ...list.filter((id) => id !== named)]
          const answered = line.findIndex((id) => !failing.includes(id))
          const work = call(request(named), fallback(list))
          if (answered < 0) await failure(work)
          else await work
          expect(asked).toEqual(answered < 0 ? line : line.slice(0, answered + 1))
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('providers as candidates', () => {
  const substitute = (modelId: string): Substitute => {
    const { transport } = models().request()
    return {
      modelId,
      owns: (request) => request.transport === transport,
      adopt: (request) => ({ ...request, modelId, baseModelId: modelId, maxTokens: 7, transport }),
    }
  }

  test('send a request their own way; one that is theirs is sent as it is', async () => {
    const seen: ModelRequest[] = []
    const witness: Policy = {
      name: 'witness',
      stage: 'meter',
      wrap: (next) => (request, context) => {
        seen.push(request)
        if (seen.length === 1) throw throttled()
        return next(request, context)
      },
    }
    const provider = substitute('p')
    const { request } = models()
    await call(request(), fallback([provider]), witness)
    expect(seen.map(({ modelId, maxTokens }) => [modelId, maxTokens])).toEqual([
      ['a', 100],
      ['p', 7],
    ])
    seen.splice(0)
    const own = { ...provider.adopt(request()), maxTokens: 5 }
    await call(own, fallback(['b', provider]), witness)
    expect(seen.map(({ modelId, maxTokens }) => [modelId, maxTokens])).toEqual([
      ['p', 5],
      ['b', 5],
    ])
  })

  test('who cannot take a request over is passed over, told once, and among the errors', async () => {
    const seen = warnings()
    const unfit = new SluiceError('cannot take over', { code: 'invalid_request' })
    const provider = {
      ...substitute('p'),
      adopt() {
        throw unfit
      },
    }
    const policy = fallback([provider, 'b'])
    const busy = throttled()
    const { asked, request } = models({ a: busy, b: throttled() })
    const error = await failure(call(request(), policy))
    await failure(call(request(), policy))
    await tick()
    expect(asked.join('')).toBe('abab')
    expect(error.code).toBe('throttled')
    expect(error.errors).toEqual([busy, unfit])
    expect(seen).toEqual(['fallback: cannot take over'])
  })

  test('where the answers of another model are no substitute, there is no fallback', async () => {
    const busy = throttled()
    const { asked, request } = models({ a: busy })
    const own = request()
    const { withModel, ...transport } = own.transport
    const error = await failure(call({ ...own, transport }, fallback(['b'])))
    expect(error).toBe(busy)
    expect(asked).toEqual(['a'])
    expect(error.errors).toMatchObject([{ message: 'The answers of b are no substitute for those of a.' }])
  })
})

describe('waiting', () => {
  /** A quota that would have to wait for so long, by model. */
  function quota(waitsMs: Record<string, number>): AttemptPolicy {
    return {
      name: 'quota',
      stage: 'quota',
      wrap: (next) =>
        async function quota(request, context) {
          const waitMs = waitsMs[request.modelId] ?? 0
          if (waitMs > (context.maxWaitMs ?? Infinity)) {
            throw new SluiceError('wait longer', { code: 'throttled', retryable: true, retryAfterMs: waitMs })
          }
          await sleep(context.scope.clock, waitMs, context.signal)
          context.call.waited('quota', waitMs)
          return next(request, context)
        },
    }
  }

  async function answeredBy(
    policies: Policy[],
    clock = fakeClock(),
  ): Promise<{ asked: string; afterMs: number }> {
    const { asked, request } = models()
    const startMs = clock.now()
    const answered = runInScope({ clock, policies }, async (scope) => {
      await callModel(scope, request())
      return clock.now() - startMs
    })
    await clock.advance(60_000)
    return { asked: asked.join(''), afterMs: await answered }
  }

  test('a model whose quota lets it wait for too long is passed over without waiting', async () => {
    const list = [{ model: 'a', maxWaitMs: 500 }, 'b']
    expect(await answeredBy([quota({ a: 501 }), fallback(list), retry()])).toEqual({ asked: 'b', afterMs: 0 })
    expect(await answeredBy([quota({ a: 500 }), fallback(list), retry()])).toEqual({
      asked: 'a',
      afterMs: 500,
    })
  })

  test('the limit is its own: the next one may wait for as long as the deadline lets it', async () => {
    const list = [{ model: 'a', maxWaitMs: 500 }, 'b']
    expect(await answeredBy([quota({ a: 1_000, b: 9_000 }), fallback(list)])).toEqual({
      asked: 'b',
      afterMs: 9_000,
    })
  })

  test('waits before other tries count together', async () => {
    const clock = fakeClock()
    const { asked, request } = models({ a: throttled() })
    const startMs = clock.now()
    // Backoffs of 500 and 1,000 ms.
    const policies = [retry({ random: () => 0.5 }), fallback([{ model: 'a', maxWaitMs: 1_499 }, 'b'])]
    const answered = runInScope({ clock, policies }, async (scope) => {
      await callModel(scope, request())
      return clock.now() - startMs
    })
    await clock.advance(60_000)
    expect(await answered).toBe(500)
    expect(asked.join('')).toBe('aab')
  })

  test('nothing is limited without a fallback that says so', async () => {
    expect(await answeredBy([quota({ a: 20_000 }), fallback(['b'])])).toEqual({ asked: 'a', afterMs: 20_000 })
  })
})

describe('what others see', () => {
  test('budget, quota and meter are those of the model that is asked, and records tell each attempt', async () => {
    const seen: string[] = []
    const witness = (stage: 'budget' | 'quota' | 'meter'): AttemptPolicy => ({
      name: stage,
      stage,
      wrap: (next) => (request, context) => {
        context.attempt.onEnd(({ status }) => {
          seen.push(`${stage} ${request.modelId} ${context.attempt.request.modelId} ${status}`)
        })
        return next(request, context)
      },
    })
    const records: AttemptRecord[] = []
    const calls: CallRecord[] = []
    const onAttempt = (message: unknown) => {
      records.push(message as AttemptRecord)
    }
    const onCall = (message: unknown) => {
      calls.push(message as CallRecord)
    }
    subscribe('sluice:attempt', onAttempt)
    subscribe('sluice:call', onCall)
    const { request } = models({ a: throttled() })
    await call(request(), fallback(['b']), witness('meter'), witness('quota'), witness('budget'))
    unsubscribe('sluice:attempt', onAttempt)
    unsubscribe('sluice:call', onCall)
    expect(seen).toEqual([
      'budget a a failed',
      'quota a a failed',
      'meter a a failed',
      'budget b b answered',
      'quota b b answered',
      'meter b b answered',
    ])
    expect(records.map(({ modelId, baseModelId, attempt }) => [modelId, baseModelId, attempt])).toEqual([
      ['a', 'a', 1],
      ['b', 'b', 2],
    ])
    expect(new Set(records.map(({ callId }) => callId))).toEqual(new Set([calls[0]?.callId]))
    expect(calls).toMatchObject([{ modelId: 'a', lastModelId: 'b', attempts: 2, status: 'answered' }])
  })

  test('when all fail, the last error is thrown and has those before it, out of sight', async () => {
    const [first, second] = [throttled(), new TransportError('gone', { code: 'transport_failed' })]
    const last = new StreamInterruptedError('broke', { partial: false, usage: noUsage })
    const { request } = models({ a: first, b: second, c: last })
    const error = await failure(call(request(), fallback(['b', 'c'])))
    expect(error).toBe(last)
    expect(error.errors).toEqual([first, second])
    expect(Object.keys(error)).not.toContain('errors')
    expect(inspect(error)).not.toContain('throttled')
    expect(JSON.stringify(error)).not.toContain('throttled')
  })

  test('an error that had no company stays as it is', async () => {
    const error = new ModelError('no', { code: 'invalid_request' })
    const { request } = models({ a: error })
    expect((await failure(call(request(), fallback(['b'])))).errors).toBeUndefined()
  })

  test('a candidate that may not be asked, or is not there, is told once', async () => {
    const seen = warnings()
    const denied = new ModelError('Allow it.', { code: 'access_denied' })
    const missing = new ModelError('Check the id.', { code: 'not_found' })
    const { request } = models({ a: denied, b: missing })
    const policy = fallback(['b', 'c'])
    for (let round = 0; round < 3; round++) await call(request(), policy)
    await tick()
    expect(seen).toEqual([
      'fallback: a cannot be asked. Allow it.',
      'fallback: b cannot be asked. Check the id.',
    ])
  })
})

test('candidates that cannot be right are refused by name', () => {
  const wrong = (candidates: unknown) => () => fallback(candidates as Candidate[])
  expect(wrong([])).toThrow(/there are no candidates/)
  expect(wrong('a')).toThrow(/there are no candidates/)
  for (const model of ['', ' ', undefined, null, 5, {}, { model: undefined }])
    expect(wrong([model])).toThrow(/is no model/)
  expect(wrong([{ model: 'a', maxWaitMs: -1 }])).toThrow(/maxWaitMs of a is -1/)
  expect(wrong([{ model: 'a', weight: 0 }])).toThrow(/weight of a is 0/)
  expect(wrong([{ model: 'a', weight: Number.NaN }])).toThrow(/weight of a is NaN/)
  expect(wrong([{ model: 'a', weight: 1 }, 'b'])).toThrow(/some candidates have a weight/)
})
