/** Counters of fixed windows: all that the usual limiters keep. */

import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import type { RedisClient } from './redis-client.ts'

export interface WindowCounters {
  /** Adds to a counter, unless it would exceed `atMost`; tells whether it did. Every call is one request to the store. */
  add(window: string, amount: number, atMost?: number): Promise<boolean>
}

export function memoryCounters(): WindowCounters {
  const counts = new Map<string, number>()
  return {
    async add(window, amount, atMost = Infinity) {
      const next = (counts.get(window) ?? 0) + amount
      if (next > atMost) return false
      counts.set(window, next)
      return true
    },
  }
}

const script = `
local next = tonumber(redis.call('GET', KEYS[1]) or '0') + ARGV[1]
if ARGV[2] ~= '' and next > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], next, 'EX', 600)
return 1`

export function redisCounters(client: RedisClient): WindowCounters {
  return {
    async add(window, amount, atMost) {
      const reply = await client.eval(script, {
        keys: [window],
        arguments: [String(amount), String(atMost ?? '')],
      })
      return reply === 1
    },
  }
}

export function dynamoDBCounters(client: DynamoDBClient, tableName: string): WindowCounters {
  return {
    async add(window, amount, atMost) {
      const bound = atMost === undefined ? undefined : { N: String(atMost - amount) }
      try {
        await client.send(
          new UpdateItemCommand({
            TableName: tableName,
            Key: { pk: { S: window } },
            UpdateExpression: 'ADD used :amount',
            ...(bound && { ConditionExpression: 'attribute_not_exists(used) OR used <= :bound' }),
            ExpressionAttributeValues: {
              ':amount': { N: String(amount) },
              ...(bound && { ':bound': bound }),
            },
          }),
        )
        return true
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false
        throw error
      }
    },
  }
}
