/** A quota store and the least that its backend does, on one server: what they are compared by. */

import { randomUUID } from 'node:crypto'
import { GetItemCommand } from '@aws-sdk/client-dynamodb'
import type { QuotaStore } from '@sluice/store'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
import { type NodeRedisScripts, redisQuotaStore } from '@sluice/store/redis'
import { rawDynamoDB, rawRedis } from './raw-operations.ts'
import { openRedis } from './redis-client.ts'
import { startStore } from './servers.ts'
import { openDynamoDB } from './store.ts'

export interface Pair {
  /** One for each sandbox. */
  store(): QuotaStore
  /** One request that does the least. */
  raw(): Promise<unknown>
  close(): Promise<void>
}

/** Longer than any line before one hot key. */
const timeoutMs = 60_000

export const pairs = { redis: redisPair, dynamodb: dynamoDBPair } as const

async function redisPair(): Promise<Pair> {
  const server = await startStore('redis')
  if (server.address.kind !== 'redis') throw new Error('Not a Redis server.')
  const client = await openRedis(server.address.url)
  let like: Parameters<NodeRedisScripts['evalSha']>[1] | undefined
  const watched: NodeRedisScripts = {
    evalSha(sha1, options) {
      like = options
      return client.evalSha(sha1, options)
    },
    eval: (text, options) => client.eval(text, options),
  }
  await redisQuotaStore({ client: watched }).update('like', takeOne())
  if (!like) throw new Error('The store has sent nothing.')
  const raw = await rawRedis(client, { ...like, keys: like.keys.map((key) => `raw:${key}`) })
  return {
    store: () => redisQuotaStore({ client, timeoutMs }),
    raw,
    async close() {
      await client.close()
      await server.close()
    },
  }
}

async function dynamoDBPair(): Promise<Pair> {
  const server = await startStore('dynamodb')
  if (server.address.kind !== 'dynamodb') throw new Error('Not DynamoDB Local.')
  const { tableName, url } = server.address
  const client = openDynamoDB(url)
  await dynamoDBQuotaStore({ client, tableName, timeoutMs }).update('like', takeOne())
  const { Item } = await client.send(
    new GetItemCommand({ TableName: tableName, Key: { pk: { S: 'quota#1#like' } } }),
  )
  if (!Item) throw new Error('The store has written nothing.')
  const bytes = Object.entries(Item).reduce(
    (sum, [name, value]) => sum + name.length + (value.S ?? value.N ?? '').length,
    0,
  )
  return {
    store: () => dynamoDBQuotaStore({ client, tableName, timeoutMs }),
    raw: rawDynamoDB(client, { tableName, key: 'raw', bytes }),
    async close() {
      client.destroy()
      await server.close()
    },
  }
}

/**
 * So much at once that nobody ever waits, and so little a minute that the ledger is never full again: as one is that
 * many use.
 */
export const plenty = { tokens: { perMinute: 1_000_000, burst: 10_000_000_000 } }

export function takeOne(id: string = randomUUID()) {
  const expiresAtMs = Date.now() + 60_000
  const asker = { tenant: 'tenant', weight: 1, priority: 'interactive', maxWaitMs: 60_000 } as const
  return { limits: plenty, takes: [{ id, tokens: 6_000, expectedTokens: 4_000, expiresAtMs, ...asker }] }
}
