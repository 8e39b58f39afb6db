/** On a real Redis server. Where there is no `redis-server`, these tests are left out. */

import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { budgetExpiryMs } from '../budget-sums.ts'
import { hasRedis, type RedisServer, startRedis } from '../fixtures/redis-server.ts'
import { redisBudgetStore } from '../redis.ts'
import { budgetStoreConformance } from '../testing.ts'

describe.runIf(hasRedis)('budget store on a Redis server', () => {
  let server: RedisServer
  let client: Redis
  // The server forgets by its own time.
  let nowMs = Date.now()
  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.url)
  }, 30_000)
  afterAll(async () => {
    client.disconnect()
    await server.close()
  })

  const suite = budgetStoreConformance(() => ({
    open: () => redisBudgetStore({ client, now: () => nowMs, timeoutMs: 10_000 }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    expiryMs: budgetExpiryMs,
  }))
  for (const { name, run } of suite) test(name, run, 30_000)

  test('keys are in one hash slot, and are forgotten with their accounts', async () => {
    const store = redisBudgetStore({ client, prefix: 'test:', timeoutMs: 10_000 })
    const accounts = ['a', 'b'].map((key) => ({ key, limit: 9n, forgetAtMs: Date.now() + 5_000_000 }))
    const reservation = { id: 'c', amount: 5n, expiresAtMs: Date.now() + 1_000 }
    await store.reserve(accounts, reservation)
    await store.settle(accounts, reservation, 4n)
    const keys = (await client.keys('test:*')).toSorted()
    expect(keys).toEqual([
      'test:{budget}:account:1:a',
      'test:{budget}:account:1:b',
      'test:{budget}:spent:1:c',
    ])
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(4_900_000)
  })

  test('amounts that Redis could not count are refused', async () => {
    const store = redisBudgetStore({ client })
    const account = { key: 'a', limit: 2n ** 63n, forgetAtMs: Date.now() + 5_000 }
    const reservation = { id: 'd', amount: 5n, expiresAtMs: Date.now() + 1_000 }
    await expect(store.reserve([account], reservation)).rejects.toThrow(RangeError)
    await expect(store.settle([], reservation, -1n)).rejects.toThrow(RangeError)
    expect(() => redisBudgetStore({ client, timeoutMs: 0 })).toThrow(/timeoutMs is 0/)
    expect(() => redisBudgetStore({ client, prefix: '{a}' })).toThrow(/prefix is "{a}"/)
  })
})
