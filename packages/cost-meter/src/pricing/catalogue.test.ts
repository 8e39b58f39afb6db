import { noUsage } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { type CatalogueData, catalogueOf, type ModelPrices } from './catalogue.ts'
import { type Priceable, priceOf } from './price.ts'

const layer = (bedrock: CatalogueData['prices'][string], source = 'list'): CatalogueData => ({
  source,
  asOf: '2026-11-21',
  prices: { bedrock },
})

const item: Priceable = {
  provider: 'bedrock',
  modelId: 'm',
  usage: { ...noUsage, inputTokens: 1_000_000 },
  atMs: 0,
}

/** USD of a million input tokens, or the reason. */
function ask(
  layers: readonly CatalogueData[],
  more: Partial<Priceable> = {},
  profiles?: Map<string, string>,
) {
  const price = priceOf({ ...item, ...more }, catalogueOf(layers, profiles))
  return price.priced ? price.picoUsd / 1e12 : price.reason
}

test('the first layer that names a model, called this way, decides alone', () => {
  const layers = [
    layer({ m: { input: 1 } }, 'own'),
    layer({ m: { input: 9, terms: { batch: 0.5 } }, n: { input: 9 } }),
  ]
  expect(ask(layers)).toBe(1)
  expect(ask(layers, { batch: true })).toBe('unknown_terms')
  expect(ask(layers, { modelId: 'n' })).toBe(9)
})

test('an override for one way to call leaves the others alone', () => {
  const layers = [
    layer({ m: { routes: ['eu'], input: 1 } }),
    layer({ m: { routes: ['eu', 'us'], input: 9 } }),
  ]
  expect(ask(layers, { modelId: 'eu.m' })).toBe(1)
  expect(ask(layers, { modelId: 'us.m' })).toBe(9)
  expect(ask(layers, { modelId: 'm' })).toBe('unknown_model')
})

test('a key that is the id as it was called', () => {
  const arn = 'arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc'
  expect(ask([layer({ [arn]: { hour: 2 } })], { modelId: arn, serviceMs: 3_600_000 })).toBe(2)
  expect(ask([layer({ 'us.m': { input: 2 } })], { modelId: 'us.m' })).toBe(2)
})

describe('dates', () => {
  const list: ModelPrices[] = [
    { from: '2026-01-01', input: 1 },
    { from: '2026-07-01', input: 2 },
  ]
  test.each<[string, number | string]>([
    ['2025-12-31T23:59:59.999Z', 'unknown_date'],
    ['2026-01-01T00:00:00Z', 1],
    ['2026-06-30T23:59:59.999Z', 1],
    ['2026-07-01T00:00:00Z', 2],
    ['2099-01-01T00:00:00Z', 2],
  ])('%s', (at, expected) => {
    expect(ask([layer({ m: list })], { atMs: Date.parse(at) })).toBe(expected)
  })
})

test('terms do not combine by themselves', () => {
  const terms = { batch: 0.5, flex: 0.5 }
  expect(ask([layer({ m: { input: 1, terms } })], { batch: true, serviceTier: 'flex' })).toBe('unknown_terms')
  const both = { ...terms, 'batch+flex': 0.4 }
  expect(ask([layer({ m: { input: 1, terms: both } })], { batch: true, serviceTier: 'flex' })).toBe(0.4)
})

test('on other terms, an older price does not live on', () => {
  const list = [
    { input: 1, terms: { batch: 0.5 } },
    { from: '2026-07-01', input: 2 },
  ]
  const batch = (at: string) => ask([layer({ m: list })], { batch: true, atMs: Date.parse(at) })
  expect(batch('2026-06-30')).toBe(0.5)
  expect(batch('2026-07-01')).toBe('unknown_terms')
})

test.each(['us-gov-west-1', 'cn-north-1', 'eusc-de-east-1', 'us-iso-east-1'])(
  '%s has prices of its own',
  (region) => {
    expect(ask([layer({ m: { input: 1 } })], { region })).toBe('unknown_region')
    expect(ask([layer({ m: { input: 1, regions: [region] } })], { region })).toBe(1)
  },
)

test('rates of other terms do not borrow from the standard ones', () => {
  const layers = [layer({ m: { input: 1, cacheRead: 1, terms: { flex: { input: 0.5 } } } })]
  const usage = { ...noUsage, cacheReadTokens: 1 }
  expect(ask(layers, { serviceTier: 'flex' })).toBe(0.5)
  expect(ask(layers, { serviceTier: 'flex', usage })).toBe('unknown_bucket')
})

test('the Region of an ARN counts, not that of the caller', () => {
  const layers = [layer({ m: { regions: ['us-east-1'], input: 1 } })]
  const modelId = 'arn:aws:bedrock:us-east-1::foundation-model/m'
  expect(ask(layers, { modelId, region: 'eu-west-1' })).toBe(1)
  expect(ask(layers, { region: 'eu-west-1' })).toBe('unknown_region')
})

describe('application inference profiles', () => {
  const modelId = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc'
  const layers = [layer({ m: { routes: ['eu'], input: 1 } })]

  test('are what stands behind them', () => {
    expect(ask(layers, { modelId }, new Map([[modelId, 'eu.m']]))).toBe(1)
    const behind = 'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.m'
    expect(ask(layers, { modelId }, new Map([[modelId, behind]]))).toBe(1)
    expect(ask(layers, { modelId })).toBe('unknown_profile')
    expect(ask(layers, { modelId }, new Map([[modelId, 'eu.n']]))).toBe('unknown_model')
  })

  test('one that becomes known later is priced from then on', () => {
    const profiles = new Map<string, string>()
    const catalogue = catalogueOf(layers, profiles)
    expect(priceOf({ ...item, modelId }, catalogue)).toMatchObject({ reason: 'unknown_profile' })
    profiles.set(modelId, 'eu.m')
    expect(priceOf({ ...item, modelId }, catalogue)).toMatchObject({ picoUsd: 1e12 })
  })
})

test('more ids than are kept are priced all the same', () => {
  const catalogue = catalogueOf([layer({ m: { input: 1 } })])
  for (let index = 0; index < 2_500; index++) catalogue.find({ ...item, modelId: `m${index}` })
  expect(priceOf(item, catalogue)).toMatchObject({ picoUsd: 1e12 })
})

describe('a price that is none is refused when it is given', () => {
  test.each<[string, ModelPrices]>([
    ['negative', { input: -1 }],
    ['not a number', { output: Number.NaN }],
    ['text', { input: '3' as unknown as number }],
    ['finer than a picodollar per token', { input: 0.0000001 }],
    ['nearly a whole picodollar per token', { input: 3.000_000_1 }],
    ['in the rates of long prompts', { input: 1, above: { tokens: 1, input: -1 } }],
    ['in other terms', { input: 1, terms: { flex: { input: -1 } } }],
    ['a factor that leaves parts of a picodollar', { input: 0.000001, terms: { batch: 0.5 } }],
    ['a date that is none', { input: 1, from: 'soon' }],
  ])('%s', (_, prices) => {
    expect(() => catalogueOf([layer({ m: prices })])).toThrow(TypeError)
  })

  test('and the message names it', () => {
    const wrong = layer({ 'my-model': [{ input: 1 }, { output: -5 }] })
    expect(() => catalogueOf([wrong])).toThrow('prices.bedrock["my-model"]: output is -5.')
  })
})

test('decimals that are no binary fractions are whole picodollars', () => {
  for (let micro = 1; micro < 100_000; micro += 7) {
    const { input } = { input: Number((micro / 1e6).toFixed(6)) }
    const price = priceOf(
      { ...item, usage: { ...noUsage, inputTokens: 1 } },
      catalogueOf([layer({ m: { input } })]),
    )
    expect(price).toMatchObject({ picoUsd: micro })
  }
})
