import { createClient } from '@redis/client'
import { redisQuotaStore } from '@sluice/store/redis'

// Outside of the handler: two connections for each sandbox, one of which only hears whose turn it is.
export const client = createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
export const subscriber = client.duplicate()
for (const each of [client, subscriber]) each.on('error', (error) => console.warn(error))
await Promise.all([client.connect(), subscriber.connect()])

export const store = redisQuotaStore({ client, subscriber })
