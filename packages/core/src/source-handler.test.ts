import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { SluiceError } from './errors.ts'
import { currentScope, runInScope } from './scope.ts'
import { outcomesById, type RecordOutcome, type Source } from './source.ts'
import { answerSoFar, type RecordContext, sourceHandler } from './source-handler.ts'
import { fakeClock } from './testing/fake-clock.ts'

interface Batch {
  readonly items: readonly string[]
}

type Told = Record<string, string>

function source(extra: Partial<Source<Batch, string, Told>> = {}): Source<Batch, string, Told> {
  return {
    records: ({ items }) => items.map((item) => ({ id: item, read: () => item })),
    respond: (outcomes, { items }) =>
      Object.fromEntries(items.map((item) => [item, outcomesById(outcomes)(item).status])),
    ...extra,
  }
}

const context = (leftMs = 60_000) => ({ awsRequestId: 'r', getRemainingTimeInMillis: () => leftMs })
const quiet = { onUnfulfilled: () => {} }
const never = () => new Promise<never>(() => {})

describe('sourceHandler', () => {
  test('works on each record in the scope of the invocation, for the tenant of the event', async () => {
    const seen: unknown[] = []
    const handler = sourceHandler(source({ tenant: ({ items }) => items[0] }), (value, { id, scope }) => {
      seen.push([value, id, scope === currentScope(), scope.tenant])
    })
    expect(await handler({ items: ['a', 'b'] }, context())).toEqual({ a: 'fulfilled', b: 'fulfilled' })
    expect(seen).toEqual([
      ['a', 'a', true, 'a'],
      ['b', 'b', true, 'a'],
    ])
    expect(handler).toHaveLength(2)
  })

  test('answers in time for work that never ends, and tells the work', async () => {
    const signals: AbortSignal[] = []
    const reasons: unknown[] = []
    const handler = sourceHandler(
      source(),
      (value, { signal }) => {
        signals.push(signal)
        return value === 'slow' ? never() : value
      },
      { concurrency: 1, onUnfulfilled: ({ id, status, reason }) => reasons.push([id, status, reason.name]) },
    )
    const startedAt = performance.now()
    expect(await handler({ items: ['a', 'slow', 'b'] }, context(80))).toEqual({
      a: 'fulfilled',
      slow: 'deferred',
      b: 'deferred',
    })
    // At most a quarter of what there is, is kept back.
    expect(performance.now() - startedAt).toBeGreaterThan(55)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(reasons).toEqual([
      ['slow', 'deferred', 'DeadlineExceededError'],
      ['b', 'deferred', 'DeadlineExceededError'],
    ])
  })

  test('the source finishes before it answers, with what is left of the time', async () => {
    let finishing: AbortSignal | undefined
    const handler = sourceHandler(
      source({
        async finish(outcomes, { items }, { signal, clock }) {
          finishing = signal
          expect(items).toEqual(['a', 'b'])
          expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000)
          return outcomes.map(({ id }): RecordOutcome => ({ id, status: 'fulfilled', value: 1 }))
        },
      }),
      (value) => (value === 'b' ? never() : value),
      quiet,
    )
    expect(await handler({ items: ['a', 'b'] }, context(50))).toEqual({ a: 'fulfilled', b: 'fulfilled' })
    expect(finishing?.aborted).toBe(false)
  })

  test('logs what is not done, and of foreign errors not the message', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => log.mockRestore())
    const handler = sourceHandler(source(), (value) => {
      if (value === 'ours')
        throw new SluiceError('no quota', { code: 'unavailable', retryable: true, retryAfterMs: 5 })
      throw new RangeError('a secret')
    })
    await handler({ items: ['ours', 'theirs'] }, context())
    expect(log.mock.calls.map(([line]) => JSON.parse(line as string))).toEqual([
      {
        record: 'ours',
        status: 'deferred',
        error: 'SluiceError',
        code: 'unavailable',
        why: 'no quota',
        retryAfterMs: 5,
      },
      { record: 'theirs', status: 'failed', error: 'RangeError' },
    ])
  })

  test('what a source would answer so far is known from the first outcome to the last', async () => {
    const orders = source()
    const event = { items: ['a', 'b'] }
    expect(answerSoFar(orders, event)).toBeUndefined()
    const second = Promise.withResolvers<void>()
    const handler = sourceHandler(orders, (value) => (value === 'b' ? second.promise : undefined), quiet)
    const answer = handler(event, context())
    await new Promise(setImmediate)
    expect(answerSoFar(orders, event)).toEqual({ response: { a: 'fulfilled', b: 'failed' } })
    expect(answerSoFar(source(), event)).toBeUndefined()
    second.resolve()
    expect(answerSoFar(orders, event)).not.toEqual({ response: await answer })
    expect(answerSoFar(orders, event)).toEqual({ response: { a: 'fulfilled', b: 'fulfilled' } })
    expect(answerSoFar(orders, null as never)).toBeUndefined()
  })

  test('has time where there is no deadline, and leaves no timer behind', async () => {
    const clock = fakeClock()
    for (const deadlineMs of [undefined, clock.now() + 60_000]) {
      await runInScope({ clock, deadlineMs }, async () => {
        const handler = sourceHandler(source(), (_value, { signal }) => signal.aborted, quiet)
        const answer = handler({ items: ['a'] }, {})
        await clock.advance(1_000)
        expect(await answer).toEqual({ a: 'fulfilled' })
      })
      expect(clock.pending).toBe(0)
    }
  })

  test('ends with the signal of its caller', async () => {
    const controller = new AbortController()
    let seen: RecordContext | undefined
    const handler = sourceHandler(
      source(),
      (_value, context) => {
        seen = context
        return never()
      },
      quiet,
    )
    const answer = handler({ items: ['a'] }, context(), { signal: controller.signal })
    await new Promise(setImmediate)
    controller.abort()
    expect(await answer).toEqual({ a: 'deferred' })
    expect(seen?.signal.aborted).toBe(true)
  })

  test('wrong options do not start', () => {
    expect(() => sourceHandler(source(), 'work' as never)).toThrow(/^handler: work is of type string/)
    for (const concurrency of [0, 1.5, Number.NaN, '5']) {
      expect(() => sourceHandler(source(), never, { concurrency: concurrency as number })).toThrow(
        /concurrency is/,
      )
    }
    for (const reserveMs of [-1, Infinity, Number.NaN]) {
      expect(() => sourceHandler(source(), never, { reserveMs })).toThrow(/reserveMs is/)
    }
  })
})
