import { InvokeModelCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { expect, test } from 'vitest'
import { clientFor, MODEL, startForTest } from './testing.ts'
import { countTokens } from './tokens.ts'

const TEXT = 'The cat sat down.'
const COUNT = countTokens(TEXT)
const LLAMA_PROMPT = `<|begin_of_text|><|start_header_id|>system<|end_header_id|>Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n${TEXT}<|eot_id|><|start_header_id|>assistant<|end_header_id|>`

/** One row for each family: its request, where the limit stands, its answer, and the text in a chunk of its stream. */
const families = [
  {
    name: 'Anthropic',
    modelId: MODEL,
    body: {
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 50,
      messages: [{ role: 'user', content: [{ type: 'text', text: TEXT }] }],
    },
    limit: { max_tokens: 2 },
    answer: (text: string, stop: string) => ({ content: [{ type: 'text', text }], stop_reason: stop }),
    stops: ['end_turn', 'max_tokens'],
    chunkText: (chunk: Chunk) => chunk.delta?.text ?? '',
  },
  {
    name: 'Nova',
    modelId: 'us.amazon.nova-lite-v1:0',
    body: { schemaVersion: 'messages-v1', messages: [{ role: 'user', content: [{ text: TEXT }] }] },
    limit: { inferenceConfig: { max_new_tokens: 2 } },
    answer: (text: string, stop: string) => ({
      output: { message: { role: 'assistant', content: [{ text }] } },
      stopReason: stop,
    }),
    stops: ['end_turn', 'max_tokens'],
    chunkText: (chunk: Chunk) => chunk.contentBlockDelta?.delta.text ?? '',
  },
  {
    name: 'Llama',
    modelId: 'meta.llama3-1-8b-instruct-v1:0',
    body: { prompt: LLAMA_PROMPT },
    limit: { max_gen_len: 2 },
    answer: (text: string, stop: string) => ({
      generation: text,
      stop_reason: stop,
      prompt_token_count: countTokens(LLAMA_PROMPT),
    }),
    stops: ['stop', 'length'],
    chunkText: (chunk: Chunk) => chunk.generation ?? '',
  },
  {
    name: 'Mistral',
    modelId: 'mistral.mistral-7b-instruct-v0:2',
    body: { prompt: `<s>[INST] ${TEXT} [/INST]` },
    limit: { max_tokens: 2 },
    answer: (text: string, stop: string) => ({ outputs: [{ text, stop_reason: stop }] }),
    stops: ['stop', 'length'],
    chunkText: (chunk: Chunk) => chunk.outputs?.[0]?.text ?? '',
  },
  {
    name: 'Titan',
    modelId: 'amazon.titan-text-express-v1',
    body: { inputText: `User: ${TEXT}\nBot:` },
    limit: { textGenerationConfig: { maxTokenCount: 2 } },
    answer: (text: string, stop: string) => ({ results: [{ outputText: text, completionReason: stop }] }),
    stops: ['FINISH', 'LENGTH'],
    chunkText: (chunk: Chunk) => chunk.outputText ?? '',
  },
  {
    name: 'Command R',
    modelId: 'cohere.command-r-v1:0',
    body: {
      message: TEXT,
      chat_history: [
        { role: 'USER', message: 'Hi' },
        { role: 'CHATBOT', message: 'Ho' },
      ],
    },
    limit: { max_tokens: 2 },
    answer: (text: string, stop: string) => ({ text, finish_reason: stop }),
    stops: ['COMPLETE', 'MAX_TOKENS'],
    chunkText: (chunk: Chunk) => chunk.text ?? '',
  },
  {
    name: 'Command',
    modelId: 'cohere.command-text-v14',
    body: { prompt: TEXT },
    limit: { max_tokens: 2 },
    answer: (text: string, stop: string) => ({ generations: [{ text, finish_reason: stop }] }),
    stops: ['COMPLETE', 'MAX_TOKENS'],
    chunkText: (chunk: Chunk) => chunk.text ?? '',
  },
  {
    name: 'chat completions',
    modelId: 'openai.gpt-oss-120b-1:0',
    body: {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: TEXT }] },
      ],
    },
    limit: { max_tokens: 2 },
    answer: (text: string, stop: string) => ({
      choices: [{ message: { role: 'assistant', content: text }, finish_reason: stop }],
    }),
    stops: ['stop', 'length'],
    chunkText: (chunk: Chunk) => chunk.choices?.[0]?.delta.content ?? '',
  },
]

interface Chunk {
  type?: string
  delta?: { text?: string; partial_json?: string }
  contentBlockDelta?: { delta: { text: string } }
  generation?: string
  outputs?: { text: string }[]
  outputText?: string
  text?: string
  choices?: { delta: { content?: string } }[]
  'amazon-bedrock-invocationMetrics'?: object
}

async function invoke(modelId: string, body: object) {
  const bedrock = await startForTest()
  const { body: bytes } = await clientFor(bedrock).send(
    new InvokeModelCommand({ modelId, body: JSON.stringify(body) }),
  )
  return JSON.parse(bytes.transformToString()) as unknown
}

async function stream(modelId: string, body: object): Promise<Chunk[]> {
  const bedrock = await startForTest()
  const answer = await clientFor(bedrock).send(
    new InvokeModelWithResponseStreamCommand({ modelId, body: JSON.stringify(body) }),
  )
  const chunks: Chunk[] = []
  for await (const { chunk } of answer.body!)
    chunks.push(JSON.parse(Buffer.from(chunk!.bytes!).toString()) as Chunk)
  return chunks
}

test.each(families)(
  '$name answers whole, and tells when it was cut short',
  async ({ modelId, body, limit, answer, stops }) => {
    expect(await invoke(modelId, body)).toMatchObject(answer(TEXT, stops[0]!))
    expect(await invoke(modelId, { ...body, ...limit })).toMatchObject(answer('The cat', stops[1]!))
  },
)

test.each(families)(
  '$name streams a chunk for each token, metrics on the last',
  async ({ modelId, body, chunkText }) => {
    const chunks = await stream(modelId, body)
    expect(chunks.map(chunkText).join('')).toBe(TEXT)
    expect(chunks.map(chunkText).filter((text) => text !== '')).toHaveLength(COUNT)
    expect(chunks.at(-1)!['amazon-bedrock-invocationMetrics']).toMatchObject({ outputTokenCount: COUNT })
    expect(
      chunks.slice(0, -1).every((chunk) => chunk['amazon-bedrock-invocationMetrics'] === undefined),
    ).toBe(true)
  },
)

const tools = {
  tools: [
    {
      name: 'save',
      description: 'Saves a person',
      input_schema: { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] },
    },
  ],
  tool_choice: { type: 'tool', name: 'save' },
}

test('Anthropic calls a tool that it must call, whole and streamed', async () => {
  const body = {
    ...families[0]!.body,
    messages: [{ role: 'user', content: 'Ada is 36 years old.' }],
    ...tools,
  }
  expect(await invoke(MODEL, body)).toMatchObject({
    content: [{ type: 'tool_use', name: 'save', input: { age: 36 } }],
    stop_reason: 'tool_use',
  })
  const chunks = await stream(MODEL, body)
  expect(JSON.parse(chunks.map(({ delta }) => delta?.partial_json ?? '').join(''))).toEqual({ age: 36 })
  expect(chunks.map(({ type }) => type).slice(0, 2)).toEqual(['message_start', 'content_block_start'])
})

test('Anthropic caches what lies before a cache mark', async () => {
  const bedrock = await startForTest()
  const client = clientFor(bedrock)
  const system = [{ type: 'text', text: 'word '.repeat(1500), cache_control: { type: 'ephemeral' } }]
  const send = async () => {
    const command = new InvokeModelCommand({
      modelId: MODEL,
      body: JSON.stringify({ ...families[0]!.body, system }),
    })
    return (JSON.parse((await client.send(command)).body.transformToString()) as { usage: object }).usage
  }
  const size = countTokens(system[0]!.text)
  expect(await send()).toMatchObject({ cache_creation_input_tokens: size, cache_read_input_tokens: 0 })
  expect(await send()).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: size })
  await bedrock.idle()
  expect(bedrock.counters()).toMatchObject({ cacheWriteTokens: size, cacheReadTokens: size })
})

test('the metadata header of InvokeModel is on the record', async () => {
  const bedrock = await startForTest()
  const { modelId, body } = families[0]!
  await clientFor(bedrock).send(
    new InvokeModelCommand({ modelId, body: JSON.stringify(body), requestMetadata: '{"team":"red"}' }),
  )
  await bedrock.idle()
  expect(bedrock.requests()[0]!.metadata).toEqual({ team: 'red' })
})
