/** The snippets of the pages on SageMaker, as functions of the local cloud. */

import { startLocal } from 'sluice/local'
import { afterAll, beforeEach, expect, test } from 'vitest'

const at = (name: string) => new URL(`./${name}`, import.meta.url)
const lines: string[] = []

const local = await startLocal({
  functions: {
    chat: { handler: at('sagemaker.ts'), timeoutMs: 10_000 },
    guarded: { handler: at('sagemaker-guarded.ts'), timeoutMs: 10_000 },
    ratings: { handler: at('sagemaker-adapter.ts'), timeoutMs: 10_000 },
    ask: { handler: at('sagemaker-async.ts'), exportName: 'ask', timeoutMs: 10_000 },
    collect: { handler: at('sagemaker-async.ts'), exportName: 'collect', timeoutMs: 10_000 },
  },
  buckets: { tasks: {} },
  sagemaker: {
    latency: 'none',
    endpoints: {
      'llama-3-8b': { components: { 'llama-3-8b-small': 'chat' } },
      chat: { container: 'chat' },
      ratings: { container: ({ body }) => (body.includes('never') ? '1' : body) },
      summaries: { container: 'chat', async: { output: 's3://tasks/answers/', function: 'collect' } },
    },
  },
  onLog: ({ text }) => lines.push(text),
})
afterAll(() => local.close())
beforeEach(() => {
  local.sagemaker.setFaults([])
  local.sagemaker.reset()
})

const text = 'My card never came. I have waited for two weeks.'

test('sagemaker.ts: an answer, and its tokens as the container counted them', async () => {
  const { payload, error } = await local.functions.chat.invoke<{ tokens: number }>({ text })
  expect(error).toBeUndefined()
  expect(payload).toMatchObject({ answer: expect.stringContaining('card') })
  expect(payload?.tokens).toBe(local.sagemaker.counters().outputTokens)
})

test('sagemaker-guarded.ts: survives a burst of failures, and a stream that broke off is an error', async () => {
  local.sagemaker.setFaults([{ fault: 'error', name: 'ServiceUnavailable', status: 503, first: 4 }])
  const { error } = await local.functions.guarded.invoke({ text })
  expect(error).toBeUndefined()
  expect(local.sagemaker.counters().requests).toBe(5)
  local.sagemaker.setFaults([{ fault: 'truncate', afterEvents: 2 }])
  expect((await local.functions.guarded.invoke({ text })).error?.errorType).toBe('StreamInterruptedError')
})

test('sagemaker-adapter.ts: a language of its own', async () => {
  expect((await local.functions.ratings.invoke({ text })).payload).toBe(1)
  const { error } = await local.functions.ratings.invoke({ text: 'nine' })
  expect(error).toMatchObject({ errorType: 'ModelError' })
})

test('sagemaker-async.ts: asked now, collected when the topic tells', async () => {
  const { payload } = await local.functions.ask.invoke({ id: 'ticket-1', text })
  expect(payload).toMatchObject({ inferenceId: 'ticket-1' })
  await local.sagemaker.settled()
  expect(lines.join('\n')).toMatch(/ticket-1 .*card/)
})
