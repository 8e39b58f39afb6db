/**
 * What every source owes, whatever its events look like. The cases are plain objects, for any test runner:
 * `for (const { name, run } of sourceConformance(harness)) test(name, run)`.
 */

import assert from 'node:assert/strict'
import { SluiceError } from '../errors.ts'
import type { RecordOutcome, Source, SourceRecord } from '../source.ts'
import type { ConformanceCase } from './provider-conformance.ts'

/** One kind of source, as the suite drives it. */
export interface SourceHarness<Event, Response> {
  readonly source: Source<Event, unknown, Response>
  /** A new event with so many records; undefined where an event of this kind never has so many. */
  event(count: number): Event | undefined
  /** The ids that a response names as not done, each as often as it names it. Not called where `respond` throws. */
  unfulfilled(response: Response): readonly string[]
  /** Further things that are no event, for example from a library for property tests. */
  readonly oddEvents?: Iterable<unknown>
}

type Status = RecordOutcome['status']

const statuses: readonly Status[] = ['fulfilled', 'failed', 'deferred']

/** The suite for one kind of source. */
export function sourceConformance<Event, Response>(
  harness: SourceHarness<Event, Response>,
): ConformanceCase[] {
  const { source, oddEvents = [] } = harness

  function opened(count: number): { event: Event; records: readonly SourceRecord<unknown>[] } | undefined {
    const event = harness.event(count)
    return event === undefined ? undefined : { event, records: source.records(frozen(event)) }
  }

  /** What the response says is not done; the reason where it is thrown. */
  function told(outcomes: readonly RecordOutcome[], event: Event): readonly string[] | { thrown: unknown } {
    let response: Response
    try {
      response = source.respond(outcomes, event)
    } catch (thrown) {
      return { thrown }
    }
    return harness.unfulfilled(response)
  }

  function check(outcomes: readonly RecordOutcome[], event: Event, notDone: readonly string[]): void {
    const answer = told(outcomes, event)
    if ('thrown' in answer) {
      assert.ok(answer.thrown instanceof Error, 'something was thrown that is no error')
      assert.notEqual(notDone.length, 0, `${answer.thrown.name} was thrown, and every record was done`)
      assert.equal(harness.event(2), undefined, 'a reason was thrown, and with it all outcomes of the others')
    } else {
      assert.deepEqual([...answer].sort(), [...notDone].sort())
    }
  }

  return [
    {
      name: 'an event has its records, each with an id of its own and something to read',
      async run() {
        for (const count of [1, 2, 10]) {
          const found = opened(count)
          if (!found) continue
          const ids = found.records.map(({ id }) => id)
          assert.equal(ids.length, count)
          assert.equal(new Set(ids).size, count)
          for (const { id, read } of found.records) {
            assert.ok(typeof id === 'string' && id !== '')
            await read()
          }
        }
      },
    },
    {
      name: 'every record has exactly one outcome in the response, whatever the others have',
      async run() {
        for (const count of [1, 2, 3]) {
          const found = opened(count)
          if (!found) continue
          for (const combination of combinations(count)) {
            const outcomes = found.records.map(({ id }, at) => outcomeOf(id, combination[at] as Status))
            const notDone = outcomes.filter(({ status }) => status !== 'fulfilled').map(({ id }) => id)
            check(outcomes, found.event, notDone)
            check(outcomes.toReversed(), found.event, notDone)
          }
        }
      },
    },
    {
      name: 'a record without an outcome, or with several of which one is not done, is not done',
      async run() {
        for (const count of [1, 2, 3]) {
          const found = opened(count)
          if (!found) continue
          const ids = found.records.map(({ id }) => id)
          const done = ids.map((id) => outcomeOf(id, 'fulfilled'))
          check(done.slice(1), found.event, ids.slice(0, 1))
          check([...done, outcomeOf(ids[0] as string, 'failed')], found.event, ids.slice(0, 1))
          check([outcomeOf(ids[0] as string, 'deferred'), ...done], found.event, ids.slice(0, 1))
        }
      },
    },
    {
      name: 'an outcome of a record that the event does not have is not in the response',
      async run() {
        const found = opened(1)
        if (!found) return
        const done = found.records.map(({ id }) => outcomeOf(id, 'fulfilled'))
        check([...done, outcomeOf('of another event', 'failed')], found.event, [])
      },
    },
    {
      name: 'what is no event is an InvalidEventError, or has records that can be answered; nothing is changed by it',
      async run() {
        for (const odd of [...oddValues(), ...oddEvents]) {
          const before = Object.getOwnPropertyNames(Object.prototype).length
          await survive(source as Source<unknown, unknown, Response>, odd)
          assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before)
          assert.equal(({} as { polluted?: unknown }).polluted, undefined)
        }
      },
    },
  ]
}

async function survive<Response>(source: Source<unknown, unknown, Response>, odd: unknown): Promise<void> {
  let records: readonly SourceRecord<unknown>[]
  try {
    records = source.records(odd)
  } catch (error) {
    return assertInvalidEvent(error)
  }
  assert.ok(Array.isArray(records))
  for (const { id, read } of records) {
    assert.ok(typeof id === 'string' && id !== '')
    await Promise.resolve().then(read).catch(assertInvalidEvent)
  }
  source.respond(
    records.map(({ id }) => outcomeOf(id, 'fulfilled')),
    odd,
  )
}

function assertInvalidEvent(error: unknown): void {
  assert.ok(SluiceError.is(error), `${error} is no error of Sluice`)
  assert.deepEqual([error.name, error.code], ['InvalidEventError', 'invalid_event'])
}

function outcomeOf(id: string, status: Status): RecordOutcome {
  if (status === 'fulfilled') return { id, status, value: 'done' }
  const reason = new SluiceError('of the suite', {
    code: 'unavailable',
    retryable: true,
    retryAfterMs: 1500,
  })
  return { id, status, reason, retryAfterMs: 1500 }
}

function combinations(count: number): Status[][] {
  if (count === 0) return [[]]
  return combinations(count - 1).flatMap((shorter) => statuses.map((status) => [...shorter, status]))
}

/** What arrives when a function is wired to something else, or called by hand. */
function oddValues(): unknown[] {
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  const parts = [null, 5, 'text', true, [], [[]], {}, [null], [5], [{}], [hostile], hostile]
  return [
    undefined,
    ...parts,
    Object.create(null),
    ...parts.flatMap((part) => [
      { Records: part },
      { body: part },
      { headers: part, body: '{"a":1}' },
      { Records: [{ messageId: part, body: part, s3: part, attributes: part }] },
      { Records: [{ messageId: 'a', body: part, attributes: part, s3: { bucket: part, object: part } }] },
    ]),
    { body: '{"__proto__":{"polluted":1}}', headers: { 'content-type': 'application/json' } },
    { body: '{"constructor":{"prototype":{"polluted":1}}}', headers: {} },
    { body: '{', headers: {} },
    { body: '\u0000', isBase64Encoded: true, headers: {} },
    { body: '!', isBase64Encoded: 'yes', headers: { 'content-type': ['application/json'] } },
  ]
}

/** A source reads its event and changes nothing in it. */
function frozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) frozen(inner)
  }
  return value
}
