import {
  ConverseCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
import { clientFor, say, startForTest } from './testing.ts'
import { countTokens } from './tokens.ts'

const TITAN = 'amazon.titan-embed-text-v2:0'
const COHERE_3 = 'cohere.embed-multilingual-v3'
const COHERE_4 = 'eu.cohere.embed-v4:0'

interface Embedded {
  embedding: number[]
  embeddings: number[][] & { float: number[][] }
  [key: string]: unknown
}

async function embed(modelId: string, body: object): Promise<Embedded> {
  const bedrock = await startForTest()
  const answer = await clientFor(bedrock).send(
    new InvokeModelCommand({ modelId, contentType: 'application/json', body: JSON.stringify(body) }),
  )
  await bedrock.idle()
  const { inputTokens, outputTokens } = bedrock.counters()
  expect(inputTokens).toBeGreaterThan(0)
  expect(outputTokens).toBe(0)
  return JSON.parse(answer.body.transformToString()) as Embedded
}

const cosine = (a: number[], b: number[]) =>
  a.reduce((sum, value, at) => sum + value * b[at]!, 0) / (Math.hypot(...a) * Math.hypot(...b))

describe('Titan', () => {
  test('one vector of the wanted length, normalised unless told otherwise', async () => {
    const { embedding, embeddingsByType, inputTextTokenCount } = await embed(TITAN, { inputText: 'My card.' })
    expect(embedding).toHaveLength(1024)
    expect(Math.hypot(...embedding)).toBeCloseTo(1)
    expect(embeddingsByType).toEqual({ float: embedding })
    expect(inputTextTokenCount).toBe(countTokens('My card.'))
    const raw = await embed(TITAN, { inputText: 'My card.', dimensions: 256, normalize: false })
    expect(raw.embedding).toHaveLength(256)
    expect(Math.hypot(...raw.embedding)).toBeGreaterThan(1.5)
  })
})

describe('Cohere', () => {
  test('a vector for each text, spelled as the request wants it', async () => {
    const body = { texts: ['a lost card', 'a new loan', 'a lost card'], input_type: 'search_document' }
    const floats = await embed(COHERE_3, body)
    expect(floats).toMatchObject({ response_type: 'embeddings_floats', texts: body.texts })
    expect(floats.embeddings.map(({ length }) => length)).toEqual([1024, 1024, 1024])
    const byType = await embed(COHERE_4, { ...body, embedding_types: ['float'], output_dimension: 512 })
    expect(byType.response_type).toBe('embeddings_by_type')
    expect(byType.embeddings.float.map(({ length }) => length)).toEqual([512, 512, 512])
    const [first, second, third] = floats.embeddings
    expect(third).toEqual(first)
    expect(second).not.toEqual(first)
  })
})

test('texts that share words are nearer than texts that do not', async () => {
  const { embeddings } = await embed(COHERE_3, {
    texts: ['My credit card was stolen', 'A stolen card', 'The weather is fine today'],
    input_type: 'clustering',
  })
  const [card, stolen, weather] = embeddings
  expect(cosine(card!, stolen!)).toBeGreaterThan(cosine(card!, weather!) + 0.3)
})

test.each([
  ['Titan without a text', TITAN, { inputText: '' }],
  ['Titan of an odd length', TITAN, { inputText: 'a', dimensions: 100 }],
  ['Cohere without texts', COHERE_3, { texts: [], input_type: 'clustering' }],
  ['Cohere with too many texts', COHERE_3, { texts: Array(97).fill('a'), input_type: 'clustering' }],
  ['Cohere without a purpose', COHERE_3, { texts: ['a'] }],
  ['Cohere 3 with a text too long', COHERE_3, { texts: ['a'.repeat(2049)], input_type: 'clustering' }],
])('%s is refused', async (_name, modelId, body) => {
  await expect(embed(modelId, body)).rejects.toMatchObject({ name: 'ValidationException' })
})

test('embedding models neither talk nor stream', async () => {
  const bedrock = await startForTest()
  const client = clientFor(bedrock)
  const body = JSON.stringify({ inputText: 'a' })
  await expect(client.send(new ConverseCommand({ ...say('Hello'), modelId: TITAN }))).rejects.toThrow(
    'does not support',
  )
  const stream = client.send(new InvokeModelWithResponseStreamCommand({ modelId: TITAN, body }))
  await expect(stream).rejects.toThrow('unsupported for streaming')
})
