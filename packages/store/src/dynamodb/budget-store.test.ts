/** On Amazon's own DynamoDB Local. It is a Java program: where there is no `java`, these tests are left out. */

import { afterAll, beforeAll, describe, test } from 'vitest'
import { budgetExpiryMs } from '../budget-sums.ts'
import { dynamoDBBudgetStore } from '../dynamodb.ts'
import { type DynamoDBLocal, hasJava, startDynamoDB } from '../fixtures/dynamodb-local.ts'
import { budgetStoreConformance } from '../testing.ts'

describe.runIf(hasJava)('budget store on DynamoDB Local', () => {
  let database: DynamoDBLocal
  let nowMs = Date.now()
  beforeAll(async () => {
    database = await startDynamoDB()
  }, 60_000)
  afterAll(() => database.close())

  const suite = budgetStoreConformance(() => ({
    // The local database is slower than the real one when it starts.
    open: () => dynamoDBBudgetStore({ ...database, now: () => nowMs, timeoutMs: 20_000 }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    expiryMs: budgetExpiryMs,
  }))
  for (const { name, run } of suite) test(name, run, 30_000)
})
