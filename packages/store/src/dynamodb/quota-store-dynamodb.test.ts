/** On Amazon's own DynamoDB Local. It is a Java program: where there is no `java`, these tests are left out. */

import { PutItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { dynamoDBQuotaStore } from '../dynamodb.ts'
import { type DynamoDBLocal, hasJava, startDynamoDB } from '../fixtures/dynamodb-local.ts'
import { quotaStoreConformance } from '../testing.ts'
import { reclaimMs } from './quota-holds.ts'

describe.runIf(hasJava)('quota store on DynamoDB Local', () => {
  let database: DynamoDBLocal
  let nowMs = Date.now()
  beforeAll(async () => {
    database = await startDynamoDB()
  }, 60_000)
  afterAll(() => database.close())

  const suite = quotaStoreConformance(() => ({
    open: ({ skewMs = 0 } = {}) =>
      // The local database is slower than the real one when it starts.
      dynamoDBQuotaStore({ ...database, now: () => nowMs + skewMs, timeoutMs: 10_000 }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    reclaimMs,
    exact: false,
    async plantOtherVersion(key) {
      const Item = { pk: { S: `quota#2#${key}` }, tokensMicros: { N: '9'.repeat(30) } }
      await database.client.send(new PutItemCommand({ TableName: database.tableName, Item }))
    },
  }))
  for (const { name, run } of suite) test(name, run, 30_000)
})
