/** Circuit breakers in a table: `breaker#<key>` with `openUntilMs`. */

import { DeleteItemCommand, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb'
import type { BreakerStore } from '../breaker-store.ts'
import { type DynamoDBStoreOptions, schemaVersion, seconds, tableOf, within } from './table.ts'

/** Long after its time an item has nothing to say: nobody has asked that model for a day. */
const keptMs = 24 * 60 * 60 * 1000

/**
 * A store for circuit breakers that all sandboxes share. Needs `dynamodb:GetItem`, `dynamodb:PutItem` and
 * `dynamodb:DeleteItem` on the table.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { dynamoDBBreakerStore } from '@sluice/store/dynamodb'
 *
 * export const store = dynamoDBBreakerStore({ tableName: 'sluice' })
 * ```
 */
export function dynamoDBBreakerStore(options: DynamoDBStoreOptions): BreakerStore {
  const { client, tableName, timeoutMs } = tableOf('dynamoDBBreakerStore', options)
  return {
    async get(key, signal) {
      const command = new GetItemCommand({ TableName: tableName, Key: keyOf(key), ConsistentRead: true })
      const { Item } = await client.send(command, within(timeoutMs, signal))
      return Item?.v?.N === schemaVersion && Item.openUntilMs?.N ? Number(Item.openUntilMs.N) : undefined
    },
    async compareAndSet(key, expected, next, signal) {
      const condition =
        expected === undefined
          ? { ConditionExpression: 'attribute_not_exists(pk)' }
          : {
              ConditionExpression: 'v = :v AND openUntilMs = :expected',
              ExpressionAttributeValues: { ':v': { N: schemaVersion }, ':expected': { N: String(expected) } },
            }
      const target = { TableName: tableName, ...condition }
      try {
        if (next === undefined) {
          await client.send(new DeleteItemCommand({ ...target, Key: keyOf(key) }), within(timeoutMs, signal))
        } else {
          const Item = {
            ...keyOf(key),
            v: { N: schemaVersion },
            openUntilMs: { N: String(next) },
            expiresAt: seconds(next + keptMs),
          }
          await client.send(new PutItemCommand({ ...target, Item }), within(timeoutMs, signal))
        }
        return true
      } catch (error) {
        if ((error as Error).name === 'ConditionalCheckFailedException') return false
        throw error
      }
    },
  }
}

function keyOf(key: string): { pk: { S: string } } {
  return { pk: { S: `breaker#${key}` } }
}
