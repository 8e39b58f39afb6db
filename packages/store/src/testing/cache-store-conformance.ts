/** What `cache()` relies on. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { CacheStore } from '../cache-store.ts'
import type { ConformanceCase } from './conformance-case.ts'

export interface CacheStoreHarness {
  readonly store: CacheStore
  /** Moves the clock of the store. */
  advance(durationMs: number): Promise<void> | void
  /** A value of more bytes than this is not kept. */
  readonly maxValueBytes: number
}

/** The suite for one cache store. Keys are new in every run: the store may be in use. */
export function cacheStoreConformance(harness: () => CacheStoreHarness): ConformanceCase[] {
  return [
    {
      name: 'what was set is read, byte for byte',
      async run() {
        const { store } = harness()
        const [key, empty] = [randomUUID(), randomUUID()]
        const value = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        await store.set(key, value, 60_000)
        await store.set(empty, new Uint8Array([0]), 60_000)
        assert.deepEqual([...((await store.get(key)) ?? [])], [...value])
        assert.deepEqual([...((await store.get(empty)) ?? [])], [0])
      },
    },
    {
      name: 'a key that was never set has no value',
      async run() {
        assert.equal(await harness().store.get(randomUUID()), undefined)
      },
    },
    {
      name: 'the last value counts, for its own time',
      async run() {
        const { store, advance } = harness()
        const key = randomUUID()
        await store.set(key, new Uint8Array([1]), 60_000)
        await store.set(key, new Uint8Array([2]), 120_000)
        await advance(90_000)
        assert.deepEqual([...((await store.get(key)) ?? [])], [2])
      },
    },
    {
      name: 'a value is there until its time is over, and then no more',
      async run() {
        const { store, advance } = harness()
        const key = randomUUID()
        await store.set(key, new Uint8Array([1]), 60_000)
        await advance(59_999)
        assert.deepEqual([...((await store.get(key)) ?? [])], [1])
        await advance(1)
        assert.equal(await store.get(key), undefined)
      },
    },
    {
      name: 'writer and readers have bytes of their own',
      async run() {
        const { store } = harness()
        const key = randomUUID()
        // Whose `slice` is no copy.
        const value = Buffer.from([1])
        await store.set(key, value, 60_000)
        value[0] = 2
        const read = (await store.get(key)) ?? new Uint8Array()
        read[0] = 3
        assert.deepEqual([...((await store.get(key)) ?? [])], [1])
      },
    },
    {
      name: 'a value of the greatest size is kept, a greater one is not, and that is no error',
      async run() {
        const { store, maxValueBytes } = harness()
        const [greatest, tooGreat] = [randomUUID(), randomUUID()]
        await store.set(greatest, new Uint8Array(maxValueBytes), 60_000)
        assert.equal((await store.get(greatest))?.byteLength, maxValueBytes)
        await store.set(tooGreat, new Uint8Array(maxValueBytes + 1), 60_000)
        assert.equal(await store.get(tooGreat), undefined)
      },
    },
  ]
}
