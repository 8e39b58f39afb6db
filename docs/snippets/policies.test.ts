/** The snippets about other models, caches and shared state run. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { dynamoDBBreakerStore, dynamoDBCacheStore } from '@sluice/store/dynamodb'
import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { hasJava, startDynamoDB } from '../../packages/store/src/fixtures/dynamodb-local.ts'

const complaint = { text: 'This is a complaint: my card never came. I have waited for two weeks.' }

let local: Local<'fallback' | 'cache', never, never>
beforeAll(async () => {
  local = await startLocal({
    bedrock: { latency: 'none' },
    functions: {
      fallback: { handler: new URL('./fallback.ts', import.meta.url), timeoutMs: 10_000 },
      cache: { handler: new URL('./cache.ts', import.meta.url), timeoutMs: 10_000 },
    },
  })
})
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.bedrock.reset()
})

test('fallback.ts: the next model answers, without waiting for the first one', async () => {
  local.bedrock.setFaults([{ fault: 'throttle', retryAfterMs: 2_000, model: 'eu.anthropic.*' }])
  const { payload, error } = await local.functions.fallback.invoke<{ summary: string }>(complaint)
  expect(error).toBeUndefined()
  expect(payload?.summary).toContain('card')
  const { models } = local.bedrock.counters()
  expect(models['eu.anthropic.claude-sonnet-4-5-20250929-v1:0']?.requests).toBe(1)
  expect(models['eu.amazon.nova-pro-v1:0']?.outcomes).toEqual({ ok: 1 })
})

test('cache.ts: the same question is asked once', async () => {
  const answers = []
  for (let round = 0; round < 3; round++) {
    answers.push((await local.functions.cache.invoke<{ kind: string }>(complaint)).payload)
  }
  expect(answers).toEqual([{ kind: 'complaint' }, { kind: 'complaint' }, { kind: 'complaint' }])
  expect(local.bedrock.counters().requests).toBe(1)
})

// DynamoDB Local is a Java program.
test.runIf(hasJava)(
  'create-table.ts: the stores work on the table that it makes',
  { timeout: 60_000 },
  async () => {
    const database = await startDynamoDB({ table: false })
    const env = {
      ...process.env,
      AWS_ENDPOINT_URL_DYNAMODB: database.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    }
    const script = fileURLToPath(new URL('./create-table.ts', import.meta.url))
    const [code] = await once(spawn(process.execPath, [script], { env, stdio: 'inherit' }), 'exit')
    expect(code).toBe(0)
    const options = { client: database.client, tableName: 'sluice', timeoutMs: 10_000 }
    const cache = dynamoDBCacheStore(options)
    await cache.set('key', new Uint8Array([1]), 60_000)
    expect(await cache.get('key')).toEqual(new Uint8Array([1]))
    expect(await dynamoDBBreakerStore(options).compareAndSet('key', undefined, 1)).toBe(true)
    await database.close()
  },
)
