import { expect, test } from 'vitest'
import { hasRedis, startRedis } from '../../packages/store/src/fixtures/redis-server.ts'

test.runIf(hasRedis)('redis-store.ts: a connection and a store', async () => {
  const server = await startRedis()
  process.env.REDIS_URL = server.url
  const { client, subscriber, store } = await import('./redis-store.ts')
  const limits = { tokens: { perMinute: 200_000, burst: 200_000 } }
  expect((await store.update('eu-central-1/claude', { limits })).view.tokens).toBe(200_000)
  client.destroy()
  subscriber.destroy()
  await server.close()
})
