import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoryCacheStore } from './index.ts'
import { cacheStoreConformance } from './testing.ts'

describe('conformance', () => {
  let nowMs = 0
  const store = memoryCacheStore({ maxBytes: 10_000, now: () => nowMs })
  const keyBytes = 2 * 36
  const suite = cacheStoreConformance(() => ({
    store,
    advance(durationMs) {
      nowMs += durationMs
    },
    maxValueBytes: 10_000 - keyBytes,
  }))
  for (const { name, run } of suite) test(name, run)
})

test('it never holds more than its bytes, counts them right, and forgets what was unused for the longest time', async () => {
  const operation = fc.record({
    kind: fc.constantFrom('get', 'get', 'get', 'set', 'set', 'set', 'advance'),
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    size: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 90, max: 110 })),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
      const maxBytes = 100
      let nowMs = 0
      const store = memoryCacheStore({ maxBytes, now: () => nowMs })
      /** A list in the order of use, as simple as it can be. */
      let model: { key: string; size: number; expiresAtMs: number }[] = []
      for (const { kind, key, size } of operations) {
        if (kind === 'advance') {
          nowMs += size
        } else if (kind === 'set') {
          await store.set(key, new Uint8Array(size), 100)
          model = model.filter((entry) => entry.key !== key)
          if (size + 2 <= maxBytes) model.push({ key, size: size + 2, expiresAtMs: nowMs + 100 })
          while (total(model) > maxBytes) model.shift()
        } else {
          const read = await store.get(key)
          const known = model.find((entry) => entry.key === key)
          model = model.filter((entry) => entry !== known)
          const alive = known && known.expiresAtMs > nowMs
          if (alive) model.push(known)
          expect(read?.byteLength).toBe(alive ? known.size - 2 : undefined)
        }
        expect(store.bytes).toBe(total(model))
        expect(store.bytes).toBeLessThanOrEqual(maxBytes)
      }
    }),
    { numRuns: 500 },
  )
})

function total(entries: readonly { readonly size: number }[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0)
}

test('what was read lately stays, what was only set goes', async () => {
  const store = memoryCacheStore({ maxBytes: 100 })
  for (const key of ['a', 'b', 'c']) await store.set(key, new Uint8Array(30), 60_000)
  await store.get('a')
  await store.set('d', new Uint8Array(30), 60_000)
  const sizes = await Promise.all(['a', 'b', 'c', 'd'].map(async (key) => (await store.get(key))?.byteLength))
  expect(sizes).toEqual([30, undefined, 30, 30])
})

test('a size that cannot be right is refused by name', () => {
  expect(() => memoryCacheStore({ maxBytes: 0 })).toThrow(/maxBytes is 0/)
  expect(() => memoryCacheStore({ maxBytes: Number.NaN })).toThrow(TypeError)
})
