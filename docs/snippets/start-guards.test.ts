import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

const letter = { text: 'My card never came. I have waited for two weeks. What happens now?' }
let local: Local<'summarise', never, never>

beforeAll(async () => {
  local = await startLocal({
    // Refuses as Bedrock does: what a request may take is held, and what it did not use comes back.
    bedrock: { latency: 'none', quotas: [{ tokensPerMinute: 200_000 }] },
    functions: {
      summarise: { handler: new URL('./start-guards.ts', import.meta.url), timeoutMs: 6_000 },
    },
  })
})
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.bedrock.reset()
})

test('what the meter tells is what the endpoint counted', async () => {
  const { payload, logs } = await local.functions.summarise.invoke<{ costUsd: string }>(letter)
  expect(Number(payload?.costUsd)).toBeGreaterThan(0)
  const { sluice: record } = JSON.parse(logs.find((line) => line.includes('"kind":"attempt"')) ?? '{}')
  const { inputTokens, outputTokens } = local.bedrock.counters()
  expect(record).toMatchObject({
    usage: { inputTokens, outputTokens },
    cost: { priced: true, usd: payload?.costUsd },
    tags: { feature: 'summary' },
  })
})

test('a model that says nothing is given up before Lambda gives up the function', async () => {
  local.bedrock.setFaults([{ fault: 'stall' }])
  const { error, durationMs } = await local.functions.summarise.invoke(letter)
  expect(error?.errorType).toBe('DeadlineExceededError')
  expect(durationMs).toBeLessThan(6_000)
  await local.bedrock.idle()
})

test('more than the quota ever holds is refused before anything is sent', async () => {
  const { error } = await local.functions.summarise.invoke({ text: 'A very long letter. '.repeat(80_000) })
  expect(error?.errorType).toBe('QuotaExceededError')
  expect(local.bedrock.counters().requests).toBe(0)
})
