import { createClient } from '@redis/client'
import { redisQuotaStore } from '@sluice/store/redis'

// Outside of the handler: one connection for each sandbox.
export const client = createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
client.on('error', (error) => console.warn(error))
await client.connect()

export const store = redisQuotaStore({ client })
