/** Cached answers in a table: `cache#<key>` with `value` and `expiresAtMs`. */

import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb'
import type { CacheStore } from '../cache-store.ts'
import { type DynamoDBStoreOptions, schemaVersion, seconds, tableOf, within } from './table.ts'

/** The limit of an item is 400 KB, names of attributes and the key included. */
const maxValueBytes = 400 * 1024 - 2048

/**
 * A cache for `cache()` that all sandboxes share. Answers of more than 398 KB are not kept. Needs `dynamodb:GetItem` and
 * `dynamodb:PutItem` on the table.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { dynamoDBCacheStore } from '@sluice/store/dynamodb'
 *
 * export const store = dynamoDBCacheStore({ tableName: 'sluice' })
 * ```
 */
export function dynamoDBCacheStore(options: DynamoDBStoreOptions): CacheStore {
  const { client, tableName, timeoutMs, now } = tableOf('dynamoDBCacheStore', options)
  return {
    async get(key, signal) {
      const command = new GetItemCommand({ TableName: tableName, Key: keyOf(key), ConsistentRead: true })
      const { Item } = await client.send(command, within(timeoutMs, signal))
      // DynamoDB deletes what has expired within days, not at once.
      if (Item?.v?.N !== schemaVersion || !(Number(Item.expiresAtMs?.N) > now())) return undefined
      return Item.value?.B
    },
    async set(key, value, ttlMs, signal) {
      if (value.byteLength > maxValueBytes) return
      const expiresAtMs = now() + ttlMs
      const Item = {
        ...keyOf(key),
        v: { N: schemaVersion },
        value: { B: value },
        expiresAtMs: { N: String(expiresAtMs) },
        expiresAt: seconds(expiresAtMs),
      }
      await client.send(new PutItemCommand({ TableName: tableName, Item }), within(timeoutMs, signal))
    },
  }
}

function keyOf(key: string): { pk: { S: string } } {
  return { pk: { S: `cache#${key}` } }
}
