/** The store as one worker reaches it. */

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { memoryQuotaStore, type QuotaStore } from '@sluice/store'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
import { redisQuotaStore } from '@sluice/store/redis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { openRedis, type RedisClient } from './redis-client.ts'
import type { StoreAddress } from './servers.ts'
import { region } from './settings.ts'
import { dynamoDBCounters, memoryCounters, redisCounters, type WindowCounters } from './window-counters.ts'

export interface OpenStore {
  /** One for each sandbox: what it remembers, no other one knows. */
  quota(now: () => number): QuotaStore
  readonly counters: WindowCounters
  readonly redis: RedisClient | undefined
  close(): Promise<void>
}

export async function openStore(address: StoreAddress): Promise<OpenStore> {
  if (address.kind === 'memory') {
    let shared: QuotaStore | undefined
    return {
      quota: (now) => (shared ??= memoryQuotaStore({ now })),
      counters: memoryCounters(),
      redis: undefined,
      async close() {},
    }
  }
  if (address.kind === 'redis') {
    const redis = await openRedis(address.url)
    const subscriber = await redis.duplicate().connect()
    return {
      quota: (now) => redisQuotaStore({ client: redis, subscriber, now }),
      counters: redisCounters(redis),
      redis,
      async close() {
        await Promise.all([redis.close(), subscriber.close()])
      },
    }
  }
  const { tableName } = address
  const client = openDynamoDB(address.url)
  return {
    quota: (now) => dynamoDBQuotaStore({ client, tableName, now }),
    counters: dynamoDBCounters(client, tableName),
    redis: undefined,
    async close() {
      client.destroy()
    },
  }
}

/** With as many connections as there are callers. */
export function openDynamoDB(url: string): DynamoDBClient {
  return new DynamoDBClient({
    endpoint: url,
    region,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    requestHandler: new NodeHttpHandler({ httpAgent: { keepAlive: true, maxSockets: 2_000 } }),
  })
}
