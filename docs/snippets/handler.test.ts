import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, expect, test } from 'vitest'

let local: Local<'summarise', never, never>

beforeAll(async () => {
  local = await startLocal({
    bedrock: { latency: 'none' },
    functions: {
      summarise: { handler: new URL('./model-handler.ts', import.meta.url), timeoutMs: 10_000 },
    },
  })
})
afterAll(() => local.close())

test('it answers, and the endpoint counted the tokens it reports', async () => {
  local.bedrock.reset()
  const { payload, error } = await local.functions.summarise.invoke<{ summary: string; tokens: number }>({
    text: 'My card was declined at the shop. I have another one. The weather was fine.',
  })
  expect(error).toBeUndefined()
  expect(payload?.summary).toContain('card')
  expect(payload?.tokens).toBe(local.bedrock.counters().outputTokens)
})

test('one throttle is not seen by the caller', async () => {
  local.bedrock.reset()
  local.bedrock.setFaults([{ fault: 'throttle', first: 1 }])
  const { error } = await local.functions.summarise.invoke({ text: 'My card was declined.' })
  local.bedrock.setFaults([])
  expect(error).toBeUndefined()
  expect(local.bedrock.counters().outcomes).toEqual({ throttled: 1, ok: 1 })
})

test('a request that Bedrock refuses fails with a name that a caller can tell', async () => {
  local.bedrock.setFaults([{ fault: 'error', name: 'ValidationException', status: 400 }])
  const { error } = await local.functions.summarise.invoke({ text: 'My card was declined.' })
  local.bedrock.setFaults([])
  expect(error?.errorType).toBe('ModelError')
})
