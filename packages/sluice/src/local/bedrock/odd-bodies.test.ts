/** Bodies that are wrong in one place, whatever it is. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MODEL, startForTest } from './testing.ts'

const CONVERSE = {
  messages: [
    {
      role: 'user',
      content: [
        { text: 'x' },
        { document: { format: 'txt', source: { bytes: 'eA==' } } },
        { cachePoint: { type: 'default' } },
        { toolResult: { content: [{ json: 1 }] } },
      ],
    },
  ],
  system: [{ text: 'x' }],
  inferenceConfig: { maxTokens: 5, stopSequences: ['a'] },
  toolConfig: {
    tools: [
      {
        toolSpec: {
          name: 'a',
          inputSchema: {
            json: {
              type: 'object',
              properties: { a: { anyOf: [{ type: 'string' }], items: {} } },
              required: ['a'],
            },
          },
        },
      },
    ],
    toolChoice: { any: {} },
  },
  outputConfig: { textFormat: { structure: { jsonSchema: { schema: '{}' } } } },
  requestMetadata: { a: 'b' },
}

const MESSAGES = [{ role: 'user', content: 'x' }]
const bodies: readonly (readonly [modelId: string, operation: string, body: object])[] = [
  [MODEL, 'converse', CONVERSE],
  [MODEL, 'converse-stream', CONVERSE],
  [MODEL, 'count-tokens', { input: { converse: CONVERSE } }],
  [MODEL, 'count-tokens', { input: { invokeModel: { body: 'e30=' } } }],
  [
    MODEL,
    'invoke',
    {
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 9,
      system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x' },
            { type: 'document', source: { type: 'text', data: 'x' } },
            { type: 'tool_result', content: [{ type: 'text', text: 'x' }] },
          ],
        },
      ],
      stop_sequences: ['a'],
      tools: [
        { name: 'a', input_schema: { type: 'object', properties: { a: { type: 'array', items: {} } } } },
      ],
      tool_choice: { type: 'tool', name: 'a' },
    },
  ],
  [
    'amazon.nova-lite-v1:0',
    'invoke',
    { ...CONVERSE, inferenceConfig: { max_new_tokens: 9, temperature: 1 } },
  ],
  [
    'amazon.titan-text-express-v1',
    'invoke',
    { inputText: 'x', textGenerationConfig: { maxTokenCount: 9, stopSequences: ['a'] } },
  ],
  ['meta.llama3-8b-instruct-v1:0', 'invoke-with-response-stream', { prompt: 'x', max_gen_len: 9 }],
  ['mistral.mistral-7b-instruct-v0:2', 'invoke', { prompt: 'x', max_tokens: 9, stop: ['a'] }],
  [
    'cohere.command-r-v1:0',
    'invoke',
    { message: 'x', chat_history: [{ role: 'USER', message: 'x' }], preamble: 'x' },
  ],
  ['cohere.command-text-v14', 'invoke', { prompt: 'x', max_tokens: 9, stop_sequences: ['a'] }],
  ['openai.gpt-oss-20b-1:0', 'invoke', { messages: MESSAGES, max_completion_tokens: 9, stop: ['a'] }],
]

test('no body, however odd, is more than a validation error', async () => {
  const bedrock = await startForTest()
  const odd = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.string(),
    fc.constant([]),
    fc.constant({}),
    fc.constant([null]),
    fc.constant([{}]),
    fc.boolean(),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bodies),
      fc.nat(),
      odd,
      async ([modelId, operation, body], at, value) => {
        const paths = pathsOf(body)
        const changed = replace(body, paths[at % paths.length]!, value)
        const response = await fetch(`${bedrock.url}/model/${modelId}/${operation}`, {
          method: 'POST',
          body: JSON.stringify(changed),
        })
        expect(
          [200, 400],
          `${operation} ${modelId} ${JSON.stringify(changed)} ${await response.text()}`,
        ).toContain(response.status)
      },
    ),
    { numRuns: 400 },
  )
})

/** The paths to all values inside a value. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))]
}

function replace(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
  copy[key] = replace(copy[key], rest, by)
  return copy
}
