/** What a store does at the least: one request that reads and writes something of the size of a ledger. */

import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import type { NodeRedisScripts } from '@sluice/store/redis'
import type { RedisClient } from './redis-client.ts'

type ScriptOptions = Parameters<NodeRedisScripts['evalSha']>[1]

const script = `
redis.call('SET', KEYS[1], ARGV[1])
return { 0, 0, 0, 0, 0, 0, 0, '', 'a' }`

/** One script that writes one value, with the keys and arguments that a request of the quota store has. */
export async function rawRedis(client: RedisClient, like: ScriptOptions): Promise<() => Promise<unknown>> {
  const sha1 = await client.scriptLoad(script)
  return () => client.evalSha(sha1, like)
}

/** One conditional update of an item that is as large as a ledger's. */
export function rawDynamoDB(
  client: DynamoDBClient,
  { tableName, key, bytes }: { tableName: string; key: string; bytes: number },
): () => Promise<unknown> {
  const filler = 'x'.repeat(Math.max(1, bytes - 40))
  return async () => {
    const command = new UpdateItemCommand({
      TableName: tableName,
      Key: { pk: { S: key } },
      UpdateExpression: 'SET filler = :filler ADD used :one',
      ConditionExpression: 'attribute_not_exists(used) OR used < :most',
      ExpressionAttributeValues: {
        ':filler': { S: filler },
        ':one': { N: '1' },
        ':most': { N: '1000000000000' },
      },
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    })
    try {
      await client.send(command)
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
    }
  }
}
