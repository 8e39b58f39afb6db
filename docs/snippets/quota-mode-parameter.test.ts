/** The switch of a throttle is a parameter: read by Middy, the real client and a server that answers as SSM does. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, expect, test } from 'vitest'

// Each is a sandbox of its own: the parameter is kept for a minute.
const names = ['before', 'after', 'misspelt'] as const
let parameters: Server
let local: Local<(typeof names)[number], never, never>
let value = 'enforce'
const asked: unknown[] = []

beforeAll(async () => {
  parameters = createServer(async (request, response) => {
    asked.push(request.headers['x-amz-target'], ((await json(request)) as { Names: unknown }).Names)
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    const found = { Name: '/letters/quota-mode', Type: 'String', Value: value }
    response.end(JSON.stringify({ Parameters: [found], InvalidParameters: [] }))
  }).listen(0, '127.0.0.1')
  await once(parameters, 'listening')
  const url = `http://127.0.0.1:${(parameters.address() as AddressInfo).port}`
  const handler = new URL('./quota-mode-parameter.ts', import.meta.url)
  const each = { handler, timeoutMs: 10_000, environment: { AWS_ENDPOINT_URL_SSM: url } }
  local = await startLocal({
    bedrock: { latency: 'none' },
    functions: { before: each, after: each, misspelt: each },
  })
})
afterAll(async () => {
  await local.close()
  parameters.closeAllConnections()
  parameters.close()
})

/** More than the part of the quota that one of 20 sandboxes has in a minute: after it, the next one has too long to wait. */
const long = { text: 'A letter. '.repeat(5_000) }

async function secondOf(name: (typeof names)[number]) {
  await local.functions[name].invoke(long)
  return local.functions[name].invoke<string>(long)
}

test('quota-mode-parameter.ts: what is refused while quotas are enforced is sent once they are observed', async () => {
  const before = await secondOf('before')
  expect(before.error?.errorType).toBe('QuotaExceededError')
  expect(asked).toEqual(['AmazonSSM.GetParameters', ['/letters/quota-mode']])
  value = 'observe'
  const after = await secondOf('after')
  expect(after.error).toBeUndefined()
  expect(after.payload).toEqual(expect.any(String))
  value = 'of'
  const misspelt = await secondOf('misspelt')
  expect(misspelt.error?.errorType).toBe('QuotaExceededError')
})
