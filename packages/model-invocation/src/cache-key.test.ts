import { Readable } from 'node:stream'
import type { ModelRequest } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cacheKey } from './cache-key.ts'

const request = fakeModel().request()
const keyOf = (matter: unknown, tenant?: string, fields: Partial<ModelRequest> = {}) =>
  cacheKey({ ...request, ...fields }, tenant, matter)

/** What a payload is made of. */
const payload = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.integer(),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 8 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
  ),
})).value

/** The same value, written down otherwise: keys in another order, other kinds of bytes, members that are undefined. */
function rewritten(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.alloc(3), value]).subarray(3)
  if (value instanceof Date) return new Date(value)
  if (Array.isArray(value)) return value.map(rewritten)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, member]) => [key, rewritten(member)])
  return Object.fromEntries([...entries.toReversed(), ...('unset' in value ? [] : [['unset', undefined]])])
}

/** Whether two payloads are the same to a model. */
function same(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
  }
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime()
  }
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]))
    )
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return typeof a === 'number' && typeof b === 'number' ? String(a) === String(b) : a === b
  }
  const [ofA, ofB] = [a as Record<string, unknown>, b as Record<string, unknown>]
  const [keys, others] = [Object.keys(ofA), Object.keys(ofB)]
  return (
    keys.length === others.length && keys.every((key) => Object.hasOwn(ofB, key) && same(ofA[key], ofB[key]))
  )
}

test('the order of keys and the kind of bytes do not matter', () => {
  fc.assert(
    fc.property(payload, (value) => {
      expect(keyOf(rewritten(value))).toBe(keyOf(value))
      expect(keyOf(value)).toMatch(/^[0-9a-f]{64}$/)
    }),
    { numRuns: 500 },
  )
})

test('any other change makes another key', () => {
  fc.assert(
    fc.property(payload, payload, (a, b) => {
      expect(keyOf(a) === keyOf(b)).toBe(same(a, b))
    }),
    { numRuns: 2000 },
  )
})

test('one byte, one character, one level of nesting: another key', () => {
  const alike: unknown[] = [
    '1',
    1,
    1n,
    [1],
    [[1]],
    [1, null],
    { 1: 1 },
    { a: [] },
    { a: {} },
    { a: null },
    [],
    {},
    '',
    null,
    true,
    'true',
    new Uint8Array([1]),
    new Uint8Array([1, 0]),
    [new Uint8Array([1]), new Uint8Array([2])],
    [new Uint8Array([1, 2])],
    '\ud800',
    '\udfff',
    '\ufffd',
    ['a', 'b'],
    ['ab'],
    ['a,b'],
    ['a', ['b'], 'c'],
    ['a', ['b', 'c']],
    ['a', 'b', ['c']],
    [new Uint8Array(), 'x', Buffer.from('"k"')],
    [Buffer.from('"x"'), new Uint8Array(), 'k'],
    { a: 'b', c: 'd' },
    { a: 'b,c:d' },
    new Date(0),
    new Date(0).toISOString(),
    0,
  ]
  const keys = alike.map((value) => keyOf(value))
  expect(new Set(keys).size).toBe(alike.length)
})

test('tenant, provider, operation and model tell requests apart, the address of the sender does not', () => {
  const keys = [
    keyOf('x'),
    keyOf('x', 'tenant'),
    keyOf('x', 'undefined'),
    keyOf('x', ''),
    keyOf('x', undefined, { modelId: 'other' }),
    keyOf('x', undefined, { operation: 'ConverseStream' }),
    keyOf('x', undefined, { streaming: true }),
    keyOf('x', undefined, { provider: 'other' }),
  ]
  expect(new Set(keys).size).toBe(keys.length)
  expect(keyOf('x', undefined, { inputBytes: 5, estimatedInputTokens: 2 })).toBe(keyOf('x'))
})

test('what cannot be compared has no key', () => {
  class Message {
    readonly text = 'x'
  }
  for (const value of [
    () => {},
    Symbol('x'),
    Readable.from(['x']),
    new Map(),
    new Message(),
    Promise.resolve(),
  ]) {
    expect(keyOf(value)).toBeUndefined()
    expect(keyOf({ deep: [{ in: value }] })).toBeUndefined()
  }
})
