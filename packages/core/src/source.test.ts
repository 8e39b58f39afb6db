import { describe, expect, test } from 'vitest'
import {
  CallAbortedError,
  InvalidEventError,
  ModelError,
  ModelThrottledError,
  SluiceError,
} from './errors.ts'
import { settleRecords } from './settle-records.ts'
import type { RecordOutcome, Source, SourceRecord } from './source.ts'
import { type SourceHarness, sourceConformance } from './testing.ts'

function recordsOf(count: number, group?: (at: number) => string): SourceRecord<number>[] {
  return Array.from({ length: count }, (_, at) => ({
    id: `r${at}`,
    group: group?.(at),
    read: () => at,
  }))
}

/** Works that end when they are told to. */
function gates() {
  const open = new Map<number, () => void>()
  const begun: number[] = []
  let atOnce = 0
  let most = 0
  return {
    begun,
    get most() {
      return most
    },
    async work(value: number): Promise<number> {
      begun.push(value)
      most = Math.max(most, ++atOnce)
      await new Promise<void>((resolve) => open.set(value, resolve))
      atOnce--
      return value * 10
    },
    async finish(value: number) {
      open.get(value)?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('settleRecords', () => {
  test('works on so many at once and no more, and keeps the order of the records', async () => {
    const gate = gates()
    const { work, finish, begun } = gate
    const settled = settleRecords(recordsOf(5), work, { concurrency: 2 })
    await finish(-1)
    expect(begun).toEqual([0, 1])
    await finish(1)
    expect(begun).toEqual([0, 1, 2])
    for (const value of [2, 0, 3, 4]) await finish(value)
    expect(await settled).toEqual(
      [0, 1, 2, 3, 4].map((at) => ({ id: `r${at}`, status: 'fulfilled', value: at * 10 })),
    )
    expect(gate.most).toBe(2)
  })

  test('fails alone: a record that cannot be read, one whose work fails, one that throws no error', async () => {
    const unreadable: SourceRecord<number> = {
      id: 'unreadable',
      read() {
        throw new InvalidEventError('no')
      },
    }
    const outcomes = await settleRecords(
      [unreadable, ...recordsOf(3)],
      async (value) => {
        if (value === 0) throw new RangeError('bug')
        if (value === 1) throw 'no error'
        return value
      },
      { concurrency: 5 },
    )
    expect(outcomes).toMatchObject([
      { id: 'unreadable', status: 'failed', reason: { name: 'InvalidEventError', statusCode: 400 } },
      { id: 'r0', status: 'failed', reason: { name: 'RangeError' } },
      { id: 'r1', status: 'failed', reason: { name: 'Error', cause: 'no error' } },
      { id: 'r2', status: 'fulfilled', value: 2 },
    ])
  })

  test('defers what is not the fault of the record, with the hint when to come back', async () => {
    const errors = [
      new ModelThrottledError('no quota', { code: 'throttled', retryable: true, retryAfterMs: 1234 }),
      new ModelThrottledError('no quota today', { code: 'daily_quota_exceeded' }),
      new CallAbortedError('no time', { code: 'aborted' }),
      new ModelError('no', { code: 'invalid_request' }),
    ]
    const outcomes = await settleRecords(
      recordsOf(4),
      async (at) => {
        throw errors[at]
      },
      { concurrency: 4 },
    )
    expect(outcomes).toEqual([
      { id: 'r0', status: 'deferred', reason: errors[0], retryAfterMs: 1234 },
      { id: 'r1', status: 'deferred', reason: errors[1] },
      { id: 'r2', status: 'deferred', reason: errors[2] },
      { id: 'r3', status: 'failed', reason: errors[3] },
    ])
  })

  test('keeps the order in a group, and stops it at the first that is not done', async () => {
    const order: number[] = []
    const outcomes = await settleRecords(
      recordsOf(6, (at) => (at % 2 === 0 ? 'even' : 'odd')),
      async (at) => {
        order.push(at)
        await new Promise((resolve) => setImmediate(resolve))
        if (at === 2) throw new Error('bug')
        return at
      },
      { concurrency: 5 },
    )
    expect(order).toEqual([0, 1, 2, 3, 5])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'failed',
      'fulfilled',
      'deferred',
      'fulfilled',
    ])
  })

  test('once aborted, begins no more and waits for none', async () => {
    const controller = new AbortController()
    const outcomes = await settleRecords(
      recordsOf(4),
      (at) => {
        if (at === 1) controller.abort()
        return at === 0 ? Promise.resolve(at) : new Promise(() => {})
      },
      { concurrency: 1, signal: controller.signal },
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'deferred', 'deferred', 'deferred'])
  })

  test('what fails after it was given up disturbs nobody', async () => {
    const controller = new AbortController()
    const late = Promise.withResolvers<never>()
    const settled = settleRecords(recordsOf(1), () => late.promise, {
      concurrency: 1,
      signal: controller.signal,
    })
    controller.abort()
    expect(await settled).toMatchObject([{ status: 'deferred', reason: { name: 'AbortError' } }])
    late.reject(new Error('late'))
  })

  test.each([
    ['quota_exceeded', undefined, true],
    ['quota_exceeded', 5_000, true],
    ['throttled', 5_000, true],
    ['throttled', undefined, false],
    ['unavailable', 5_000, false],
  ] as const)(
    '%s, to be tried again in %s ms: none is begun any more is %s',
    async (code, retryAfterMs, stops) => {
      const begun: number[] = []
      const outcomes = await settleRecords(
        recordsOf(4),
        async (at) => {
          begun.push(at)
          if (at === 1) throw new SluiceError('no', { code, retryable: true, retryAfterMs })
          return at
        },
        { concurrency: 1 },
      )
      expect(begun).toEqual(stops ? [0, 1] : [0, 1, 2, 3])
      expect(outcomes.map(({ status }) => status)).toEqual(
        stops
          ? ['fulfilled', 'deferred', 'deferred', 'deferred']
          : ['fulfilled', 'deferred', 'fulfilled', 'fulfilled'],
      )
      if (stops) {
        expect(outcomes[3]).toMatchObject({
          reason: { code: 'quota_exceeded', retryable: true, unbilled: true },
          ...(retryAfterMs && { retryAfterMs }),
        })
      }
    },
  )

  test('where the position is what is handed back, nothing after the first that is not done is begun', async () => {
    const begun: number[] = []
    const told: string[] = []
    const outcomes = await settleRecords(
      recordsOf(4),
      async (at) => {
        begun.push(at)
        if (at === 1) throw new RangeError('no')
        return at
      },
      { concurrency: 1, checkpoints: true, onOutcome: ({ id, status }) => told.push(`${id} ${status}`) },
    )
    expect(begun).toEqual([0, 1])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'failed', 'deferred', 'deferred'])
    expect(told).toEqual(['r0 fulfilled', 'r1 failed', 'r2 deferred', 'r3 deferred'])
  })

  test('no records are no outcomes', async () => {
    expect(await settleRecords([], async () => 1, { concurrency: 5 })).toEqual([])
  })
})

interface Event {
  readonly items: readonly { readonly key: string }[]
}

function isEvent(event: unknown): event is Event {
  const items = (event as Partial<Event> | null)?.items
  return Array.isArray(items) && items.every((item) => typeof item?.key === 'string' && item.key !== '')
}

const right: Source<Event, string, string[]> = {
  records(event) {
    if (!isEvent(event)) throw new InvalidEventError('no items')
    return event.items.map(({ key }) => ({ id: key, read: () => key }))
  },
  respond(outcomes, { items }) {
    const done = (key: string) => {
      const own = outcomes.filter(({ id }) => id === key)
      return own.length > 0 && own.every(({ status }) => status === 'fulfilled')
    }
    return items.map(({ key }) => key).filter((key) => !done(key))
  },
}

const harnessOf = (source: Source<Event, string, string[]>): SourceHarness<Event, string[]> => ({
  source,
  event: (count) => ({ items: Array.from({ length: count }, (_, at) => ({ key: `k${at}` })) }),
  unfulfilled: (response) => response,
})

describe('the conformance suite', () => {
  test.for(sourceConformance(harnessOf(right)))('passes a right source: $name', ({ run }) => run())

  const notDone = (outcomes: readonly RecordOutcome[]) =>
    outcomes.filter(({ status }) => status !== 'fulfilled').map(({ id }) => id)
  const bugs: Record<string, Partial<Source<Event, string, string[]>>> = {
    'that forgets what was deferred': {
      respond: (outcomes) => outcomes.filter(({ status }) => status === 'failed').map(({ id }) => id),
    },
    'that takes silence for success': { respond: notDone },
    'that names a record twice': {
      respond: (outcomes, event) => [...right.respond(outcomes, event), ...notDone(outcomes)],
    },
    'that names records of others': {
      respond: (outcomes, event) => [...new Set([...right.respond(outcomes, event), ...notDone(outcomes)])],
    },
    'that goes by position': {
      respond: (outcomes, { items }) =>
        items.filter((_, at) => outcomes[at]?.status !== 'fulfilled').map(({ key }) => key),
    },
    'that throws for one of many': {
      respond(outcomes, event) {
        const [first] = right.respond(outcomes, event)
        if (first) throw new Error(first)
        return []
      },
    },
    'that trusts its event': {
      records: ({ items }) => items.map(({ key }) => ({ id: key, read: () => key })),
    },
    'that changes its event': {
      records(event) {
        if (isEvent(event)) (event.items as { key: string }[]).sort()
        return right.records(event)
      },
    },
    'whose ids are not unique': {
      records: (event) => right.records(event).map((record) => ({ ...record, id: 'same' })),
    },
    'that merges what it is given': {
      records(event) {
        const merge = (into: Record<string, unknown>, from: unknown): void => {
          for (const [key, value] of Object.entries(from ?? {})) {
            if (typeof value === 'object' && into[key]) merge(into[key] as Record<string, unknown>, value)
            else into[key] = value
          }
        }
        merge({}, event)
        return right.records(event)
      },
    },
  }
  test.for(Object.keys(bugs))('finds a source %s', async (name) => {
    const failures: unknown[] = []
    for (const { run } of sourceConformance(harnessOf({ ...right, ...bugs[name] }))) {
      await run().catch((error: unknown) => failures.push(error))
    }
    delete (Object.prototype as { polluted?: unknown }).polluted
    expect(failures).not.toEqual([])
  })
})
