/** What circuit breakers rely on. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { BreakerStore } from '../breaker-store.ts'
import type { ConformanceCase } from './conformance-case.ts'

/** The suite for one breaker store. Keys are new in every run: the store may be in use. */
export function breakerStoreConformance(store: () => BreakerStore): ConformanceCase[] {
  return [
    {
      name: 'there is no number until one is set',
      async run() {
        const key = randomUUID()
        assert.equal(await store().get(key), undefined)
        assert.equal(await store().compareAndSet(key, undefined, 1_700_000_000_123), true)
        assert.equal(await store().get(key), 1_700_000_000_123)
      },
    },
    {
      name: 'a number is only moved by who knows it',
      async run() {
        const key = randomUUID()
        assert.equal(await store().compareAndSet(key, 5, 6), false)
        assert.equal(await store().get(key), undefined)
        await store().compareAndSet(key, undefined, 5)
        assert.equal(await store().compareAndSet(key, undefined, 6), false)
        assert.equal(await store().compareAndSet(key, 4, 6), false)
        assert.equal(await store().get(key), 5)
        assert.equal(await store().compareAndSet(key, 5, 6), true)
        assert.equal(await store().get(key), 6)
      },
    },
    {
      name: 'a number is only removed by who knows it',
      async run() {
        const key = randomUUID()
        await store().compareAndSet(key, undefined, 5)
        assert.equal(await store().compareAndSet(key, 4, undefined), false)
        assert.equal(await store().compareAndSet(key, undefined, undefined), false)
        assert.equal(await store().get(key), 5)
        assert.equal(await store().compareAndSet(key, 5, undefined), true)
        assert.equal(await store().get(key), undefined)
        assert.equal(await store().compareAndSet(key, undefined, undefined), true)
      },
    },
    {
      name: 'of many at once one wins',
      async run() {
        const key = randomUUID()
        await store().compareAndSet(key, undefined, 1)
        const claims = Array.from({ length: 20 }, (_, n) => store().compareAndSet(key, 1, 100 + n))
        const won = (await Promise.all(claims)).flatMap((won, n) => (won ? [100 + n] : []))
        assert.equal(won.length, 1)
        assert.equal(await store().get(key), won[0])
      },
    },
    {
      name: 'keys have nothing to do with each other',
      async run() {
        const [one, other] = [randomUUID(), randomUUID()]
        await store().compareAndSet(one, undefined, 1)
        assert.equal(await store().get(other), undefined)
      },
    },
  ]
}
