import { noUsage, type Usage } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { type CatalogueData, catalogueOf } from './catalogue.ts'
import { type Priceable, priceOf } from './price.ts'
import { usdText } from './usd.ts'

const prices: CatalogueData['prices'] = {
  bedrock: { model: { input: 1, output: 5 } },
  sagemaker: {
    perCall: { call: 0.0004 },
    byTime: { hour: 1.408 },
    both: { hour: 3.6, call: 0.01, output: 1 },
  },
}
const catalogue = catalogueOf([{ source: 'test', asOf: '2026-11-21', prices }])

function priced(item: Partial<Priceable>): string {
  const price = priceOf(
    { provider: 'bedrock', modelId: 'model', usage: noUsage, atMs: 0, ...item },
    catalogue,
  )
  return price.priced ? usdText(price.picoUsd) : price.reason
}

describe('what cannot be right is not priced', () => {
  test.each<[string, Partial<Usage>]>([
    ['negative', { inputTokens: -1 }],
    ['a fraction', { outputTokens: 0.5 }],
    ['not a number', { inputTokens: Number.NaN }],
    ['endless', { outputTokens: Number.POSITIVE_INFINITY }],
    ['more than 9,000 USD at once', { outputTokens: 2_000_000_000_000 }],
    ['in a bucket that has no price, and negative', { cacheReadTokens: -1 }],
  ])('%s', (_, usage) => {
    expect(priced({ usage: { ...noUsage, ...usage } })).toBe('invalid_usage')
  })

  test('images and time', () => {
    expect(priced({ images: 0.5 })).toBe('invalid_usage')
    expect(priced({ serviceMs: -1 })).toBe('invalid_usage')
    expect(priced({ serviceMs: Number.NaN })).toBe('invalid_usage')
  })
})

test('a bucket without a price is no free bucket', () => {
  expect(priced({ usage: { ...noUsage, cacheReadTokens: 1 } })).toBe('unknown_bucket')
  expect(priced({ images: 1 })).toBe('unknown_bucket')
  expect(priced({ usage: { ...noUsage, inputTokens: 1 } })).toBe('0.000001')
})

describe('SageMaker', () => {
  const usage = { ...noUsage, inputTokens: 1000, outputTokens: 1000 }
  const call = (modelId: string, serviceMs?: number) =>
    priced({ provider: 'sagemaker', modelId, usage, serviceMs })

  test('a price per call, whatever the tokens', () => {
    expect(call('perCall', 5000)).toBe('0.0004')
  })

  test('the share of an hour, to the nearest picodollar', () => {
    expect(call('byTime', 3_600_000)).toBe('1.408')
    expect(call('byTime', 1)).toBe('0.000000391111')
    expect(call('byTime', 250.4)).toBe('0.000097777778')
    expect(call('byTime')).toBe('0')
  })

  test('time, call and tokens together', () => {
    expect(call('both', 1000)).toBe('0.012')
  })

  test('an endpoint that was not given is unpriced, also when a model of Bedrock has its name', () => {
    expect(call('model')).toBe('unknown_model')
  })
})

test('a price says where it is from', () => {
  const price = priceOf({ provider: 'bedrock', modelId: 'model', usage: noUsage, atMs: 0 }, catalogue)
  expect(price).toMatchObject({ priced: true, picoUsd: 0, source: 'test', asOf: '2026-11-21' })
})
