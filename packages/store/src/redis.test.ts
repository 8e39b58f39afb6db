/** On a real Redis server. Where there is no `redis-server`, these tests are left out. */

import { createClient } from '@redis/client'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasRedis, type RedisServer, startRedis } from './fixtures/redis-server.ts'
import { memoryQuotaStore } from './memory-quota-store.ts'
import type { QuotaChange } from './quota-store.ts'
import { redisQuotaStore } from './redis.ts'
import { quotaStoreConformance } from './testing.ts'

describe.runIf(hasRedis)('on a Redis server', () => {
  let server: RedisServer
  let nowMs = 1_700_000_000_000
  let ioredis: Redis
  beforeAll(async () => {
    server = await startRedis()
    ioredis = new Redis(server.url)
  }, 30_000)
  afterAll(async () => {
    ioredis.disconnect()
    await server.close()
  })

  const suite = quotaStoreConformance(() => ({
    open: () => redisQuotaStore({ client: ioredis, now: () => nowMs, timeoutMs: 10_000 }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    reclaimMs: 0,
    exact: true,
  }))
  for (const { name, run } of suite) test(name, run, 30_000)
})
