import { type Policy, runInScope, type ScopeOptions } from '@sluice/core'
import type { BedrockOptions, LocalBedrock } from 'sluice/local'
import { startBedrock } from 'sluice/local'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type BedrockEmbeddingModel,
  type BedrockEmbeddingSettings,
  bedrockEmbedding,
  guarded,
} from '../bedrock.ts'
import { newClient, recordAttempts, rejection } from '../fixtures/bench.ts'
import { retry } from '../retry.ts'

const titan = 'amazon.titan-embed-text-v2:0'
const cohere3 = 'cohere.embed-multilingual-v3'
const cohere4 = 'eu.cohere.embed-v4:0'

async function start(options: BedrockOptions = {}): Promise<LocalBedrock> {
  const endpoint = await startBedrock({ latency: 'none', ...options })
  onTestFinished(() => endpoint.close())
  return endpoint
}

function withModel<Result>(
  { url }: LocalBedrock,
  modelId: string,
  work: (model: BedrockEmbeddingModel) => Promise<Result>,
  {
    settings,
    policies = [retry({ random: () => 0 })],
    ...scope
  }: ScopeOptions & {
    settings?: BedrockEmbeddingSettings
    policies?: readonly Policy[]
  } = {},
): Promise<Result> {
  const client = newClient(url)
  onTestFinished(() => client.destroy())
  const provider = bedrockEmbedding(modelId, { client, ...settings })
  return runInScope({ ...scope, policies }, (scope) => work(provider.bind(scope)))
}

const texts = Array.from({ length: 200 }, (_, index) => `text number ${index}`)

describe.each([
  [titan, 200, 1024],
  [cohere3, 3, 1024],
  [cohere4, 3, 1536],
])('%s', (modelId, requests, length) => {
  test('vectors in the order of the texts, in as few requests as may be, each metered', async () => {
    const attempts = recordAttempts()
    const endpoint = await start()
    const { vectors, usage } = await withModel(endpoint, modelId, (model) => model.embed(texts))
    expect(vectors).toHaveLength(200)
    expect(new Set(vectors.map((vector) => vector.length))).toEqual(new Set([length]))
    const alone = await withModel(endpoint, modelId, (model) => model.embed(texts.slice(150, 151)))
    expect(vectors[150]).toEqual(alone.vectors[0])
    expect(vectors[151]).not.toEqual(alone.vectors[0])
    expect(attempts).toHaveLength(requests + 1)
    expect(attempts.every(({ estimated, maxTokens }) => !estimated && maxTokens === 0)).toBe(true)
    expect((usage?.inputTokens ?? 0) + (alone.usage?.inputTokens ?? 0)).toBe(endpoint.counters().inputTokens)
    expect(usage?.outputTokens).toBe(0)
  })

  test('no texts are no request', async () => {
    const endpoint = await start()
    const { vectors, usage } = await withModel(endpoint, modelId, (model) => model.embed([]))
    expect(vectors).toEqual([])
    expect(usage?.inputTokens).toBe(0)
    expect(endpoint.counters().requests).toBe(0)
  })

  test('goes through the policies: a throttle is tried again', async () => {
    const attempts = recordAttempts()
    const endpoint = await start({ faults: [{ fault: 'throttle', first: 1 }] })
    await withModel(endpoint, modelId, (model) => model.embed(['a']))
    expect(attempts.map(({ status }) => status)).toEqual(['failed', 'answered'])
  })
})

test('settings reach the model', async () => {
  const endpoint = await start()
  const lengthOf = async (modelId: string, settings: BedrockEmbeddingSettings) => {
    const { vectors } = await withModel(endpoint, modelId, (model) => model.embed(['my card']), { settings })
    return vectors[0] as readonly number[]
  }
  expect(await lengthOf(titan, { dimensions: 256 })).toHaveLength(256)
  expect(await lengthOf(cohere4, { dimensions: 512 })).toHaveLength(512)
  expect(Math.hypot(...(await lengthOf(titan, {})))).toBeCloseTo(1)
  expect(Math.hypot(...(await lengthOf(titan, { normalize: false })))).toBeGreaterThan(1.5)
  const hidden = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc'
  expect(() => bedrockEmbedding(hidden)).toThrow(/say in `family`/)
  expect(bedrockEmbedding(hidden, { family: 'cohere', client: newClient(endpoint.url) }).modelId).toBe(hidden)
})

test('as many requests at once as allowed, and the first failure aborts the others', async () => {
  const endpoint = await start({ faults: [{ fault: 'barrier', count: 3 }] })
  await withModel(endpoint, titan, (model) => model.embed(texts.slice(0, 3)), {
    settings: { concurrency: 3 },
  })
  expect(endpoint.counters().maxOpen).toBe(3)

  endpoint.reset()
  endpoint.setFaults([
    { fault: 'error', name: 'AccessDeniedException', status: 403, first: 1 },
    { fault: 'stall' },
  ])
  await withModel(endpoint, titan, async (model) => {
    expect(await rejection(model.embed(texts))).toMatchObject({ code: 'access_denied' })
    // Here, and not by the end of the invocation.
    await endpoint.idle()
  })
})

test("the caller's signal ends it", async () => {
  const endpoint = await start({ faults: [{ fault: 'stall' }] })
  const controller = new AbortController()
  const work = rejection(
    withModel(endpoint, cohere3, (model) => model.embed(texts, { signal: controller.signal })),
  )
  await endpoint.until(({ requests }) => requests > 0)
  controller.abort()
  expect(await work).toMatchObject({ name: 'AbortError' })
  await endpoint.idle()
})

test('the same client can be guarded, and is not charged twice', async () => {
  const attempts = recordAttempts()
  const endpoint = await start()
  const client = guarded(newClient(endpoint.url))
  onTestFinished(() => client.destroy())
  await withModel(endpoint, titan, (model) => model.embed(['a']), { settings: { client } })
  expect(attempts).toHaveLength(1)
})

test('the invocation logs can tell whose it is', async () => {
  const endpoint = await start()
  await withModel(endpoint, titan, (model) => model.embed(['a']), { tenant: 'acme', tags: { step: 'index' } })
  expect(endpoint.requests()[0]?.metadata).toEqual({ tenant: 'acme', step: 'index' })
})

test('what cannot be right is refused at once', () => {
  const client = newClient('http://127.0.0.1:1')
  const make =
    (modelId: unknown, settings: BedrockEmbeddingSettings = {}) =>
    () =>
      bedrockEmbedding(modelId as string, { client, ...settings })
  expect(make('amazon.nova-lite-v1:0')).toThrow(/not known to be an embedding model/)
  expect(make(undefined)).toThrow(TypeError)
  expect(make(titan, { dimensions: 100 })).toThrow(/dimensions is 100\. Give one of 256, 512, 1024\./)
  expect(make(titan, { purpose: 'clustering' })).toThrow(/purpose cannot be set/)
  expect(make(cohere3, { dimensions: 512 })).toThrow(/have 1024/)
  expect(make(cohere4, { normalize: true })).toThrow(/normalize cannot be set/)
  expect(make(titan, { concurrency: 0 })).toThrow(/concurrency is 0/)
})
