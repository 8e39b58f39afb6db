/** On Amazon's own DynamoDB Local. It is a Java program: where there is no `java`, these tests are left out. */

import { randomUUID } from 'node:crypto'
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dynamoDBBreakerStore, dynamoDBCacheStore } from './dynamodb.ts'
import { type DynamoDBLocal, hasJava, startDynamoDB } from './fixtures/dynamodb-local.ts'
import { breakerStoreConformance, cacheStoreConformance } from './testing.ts'

describe.runIf(hasJava)('on DynamoDB Local', () => {
  let database: DynamoDBLocal
  let nowMs = Date.now()
  // The local database is slower than the real one when it starts.
  const options = () => ({ ...database, now: () => nowMs, timeoutMs: 10_000 })
  beforeAll(async () => {
    database = await startDynamoDB()
  }, 60_000)
  afterAll(() => database.close())

  describe('cache', () => {
    const suite = cacheStoreConformance(() => ({
      store: dynamoDBCacheStore(options()),
      advance(durationMs) {
        nowMs += durationMs
      },
      maxValueBytes: 398 * 1024,
    }))
    for (const { name, run } of suite) test(name, run)
  })

  describe('breaker', () => {
    for (const { name, run } of breakerStoreConformance(() => dynamoDBBreakerStore(options())))
      test(name, run)
  })

  async function itemOf(pk: string) {
    const command = new GetItemCommand({ TableName: database.tableName, Key: { pk: { S: pk } } })
    return (await database.client.send(command)).Item
  }

  test('items carry the version of their layout and a time to live in seconds', async () => {
    const key = randomUUID()
    await dynamoDBCacheStore(options()).set(key, new Uint8Array([1]), 1_500)
    await dynamoDBBreakerStore(options()).compareAndSet(key, undefined, 1_000_000)
    const expiresAt = Math.ceil((nowMs + 1_500) / 1000)
    expect(await itemOf(`cache#${key}`)).toMatchObject({ v: { N: '1' }, expiresAt: { N: String(expiresAt) } })
    expect(await itemOf(`breaker#${key}`)).toMatchObject({ v: { N: '1' }, expiresAt: { N: '87400' } })
  })

  test('items of another layout are no items, and are left alone', async () => {
    const key = randomUUID()
    for (const kind of ['cache', 'breaker']) {
      const Item = {
        pk: { S: `${kind}#${key}` },
        v: { N: '2' },
        value: { B: new Uint8Array([9]) },
        expiresAtMs: { N: String(nowMs + 1_000_000) },
        openUntilMs: { N: '5' },
      }
      await database.client.send(new PutItemCommand({ TableName: database.tableName, Item }))
    }
    const breakers = dynamoDBBreakerStore(options())
    expect(await dynamoDBCacheStore(options()).get(key)).toBeUndefined()
    expect(await breakers.get(key)).toBeUndefined()
    expect(await breakers.compareAndSet(key, undefined, 6)).toBe(false)
    expect(await breakers.compareAndSet(key, 5, 6)).toBe(false)
    expect(await itemOf(`breaker#${key}`)).toMatchObject({ openUntilMs: { N: '5' } })
  })

  test("the caller's signal ends a request", async () => {
    const store = dynamoDBCacheStore(options())
    await expect(store.get('any', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('a table that is not there is an error, not a miss', async () => {
    const breakers = dynamoDBBreakerStore({ ...options(), tableName: 'missing' })
    await expect(breakers.get('any')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    await expect(breakers.compareAndSet('any', undefined, 1)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })
})

test('options that cannot be right are refused by name', () => {
  const client = new DynamoDBClient({ region: 'us-east-1' })
  expect(() => dynamoDBCacheStore({ client, tableName: '' })).toThrow(/dynamoDBCacheStore: tableName is ""/)
  expect(() => dynamoDBBreakerStore({ client, tableName: 'sluice', timeoutMs: 0 })).toThrow(/timeoutMs is 0/)
})

test('a database that does not answer is given up after its time', async () => {
  const { createServer } = await import('node:net')
  const silent = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  const { port } = silent.address() as { port: number }
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  const store = dynamoDBCacheStore({ client, tableName: 'sluice', timeoutMs: 50 })
  await expect(store.get('any')).rejects.toMatchObject({ name: 'AbortError' })
  client.destroy()
  silent.close()
})
