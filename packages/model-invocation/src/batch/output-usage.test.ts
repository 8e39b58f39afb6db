import { noUsage } from '@sluice/core'
import { expect, test } from 'vitest'
import { outputUsage } from './output-usage.ts'

test.each([
  [
    'Converse',
    { usage: { inputTokens: 3, outputTokens: 2, cacheReadInputTokens: 7 } },
    { cacheReadTokens: 7 },
  ],
  ['Anthropic', { usage: { input_tokens: 3, output_tokens: 2 } }, {}],
  [
    'Anthropic with a cache',
    {
      usage: {
        input_tokens: 3,
        output_tokens: 2,
        cache_read_input_tokens: 7,
        cache_creation_input_tokens: 9,
        cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      },
    },
    { cacheReadTokens: 7, cacheWrite5mTokens: 4, cacheWrite1hTokens: 5 },
  ],
  ['Amazon Nova', { output: {}, usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } }, {}],
  ['Amazon Titan', { inputTextTokenCount: 3, results: [{ tokenCount: 2, outputText: 'x' }] }, {}],
  ['an embedding', { inputTextTokenCount: 3, embedding: [0.5] }, { outputTokens: 0 }],
  ['Llama', { generation: 'x', prompt_token_count: 3, generation_token_count: 2 }, {}],
  ['OpenAI', { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }, {}],
  [
    'OpenAI with a cache',
    { usage: { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 7 } } },
    { cacheReadTokens: 7 },
  ],
] as const)('%s: no token is in two buckets', (_family, output, more) => {
  expect(outputUsage(output)).toEqual({ ...noUsage, inputTokens: 3, outputTokens: 2, ...more })
})

test.each([
  [undefined],
  [null],
  ['text'],
  [{}],
  [{ usage: null }],
  [{ usage: {} }],
  [{ results: [{ tokenCount: 5 }] }],
])('%j tells nothing, which is not the same as no tokens', (output) => {
  expect(outputUsage(output)).toBeUndefined()
})
