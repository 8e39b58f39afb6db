/** Against a server that answers as DynamoDB does when it is unwell. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { expect, test } from 'vitest'
import { dynamoDBQuotaStore } from '../dynamodb.ts'

const limits = { tokens: { perMinute: 60_000, burst: 1_000 } }
const take = {
  id: 'a',
  tokens: 10,
  expectedTokens: 10,
  expiresAtMs: Date.now() + 60_000,
  maxWaitMs: 0,
  tenant: '',
  weight: 1,
  priority: 'interactive',
} as const
const settlement = { id: 'b', tokens: 10, expiresAtMs: take.expiresAtMs, usedTokens: 1, sent: true }

/** Requests that the server gets until the store gives up. */
async function requestsFor(
  answer: { readonly status: number; readonly type: string } | undefined,
  change: object,
): Promise<number> {
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    request.resume()
    if (!answer) return request.socket.destroy()
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' })
    return response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${answer.type}` }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 3,
  })
  const store = dynamoDBQuotaStore({ client, tableName: 'sluice', timeoutMs: 20_000 })
  await expect(store.update('key', { limits, ...change })).rejects.toThrow()
  client.destroy()
  server.close()
  return requests
}

test.for([{ status: 500, type: 'InternalServerError' }, undefined])(
  'after an ambiguous failure a settlement is not sent again: %o',
  async (answer) => {
    expect(await requestsFor(answer, { settlements: [settlement] })).toBe(1)
    expect(await requestsFor(answer, { settlements: [settlement], takes: [take] })).toBe(1)
  },
)

test('a take alone is: a hold too many is only held for some time', async () => {
  expect(await requestsFor({ status: 500, type: 'InternalServerError' }, { takes: [take] })).toBe(3)
})

test('what was certainly not made is sent again', async () => {
  const throttled = { status: 400, type: 'ProvisionedThroughputExceededException' }
  expect(await requestsFor(throttled, { settlements: [settlement] })).toBe(3)
})
