import { addUsage, type Usage } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CatalogueData, catalogueOf } from './catalogue.ts'
import { type Priceable, priceOf } from './price.ts'

const rates = {
  input: 3.3,
  output: 16.5,
  cacheRead: 0.33,
  cacheWrite5m: 4.125,
  cacheWrite1h: 6.6,
  image: 0.04,
}
const prices: CatalogueData['prices'] = {
  bedrock: {
    flat: { ...rates, terms: { batch: 0.5 } },
    stepped: { ...rates, above: { ...rates, tokens: 200_000, input: 6.6, output: 24.75 } },
  },
}
const catalogue = catalogueOf([{ source: 'test', asOf: '2026-11-21', prices }])

const tokens = fc.nat({ max: 1_000_000 })
const usages: fc.Arbitrary<Usage> = fc.record({
  inputTokens: tokens,
  outputTokens: tokens,
  cacheReadTokens: tokens,
  cacheWrite5mTokens: tokens,
  cacheWrite1hTokens: tokens,
})

function cost(usage: Usage, more: Partial<Priceable> = {}): bigint {
  const price = priceOf({ provider: 'bedrock', modelId: 'flat', atMs: 0, usage, ...more }, catalogue)
  if (!price.priced) throw new Error(price.reason)
  return BigInt(price.picoUsd)
}

const sum = (costs: readonly bigint[]) => costs.reduce((total, each) => total + each, 0n)

test('additive: two attempts cost what their tokens cost together', () => {
  fc.assert(
    fc.property(usages, usages, fc.boolean(), (a, b, batch) => {
      expect(cost(a, { batch }) + cost(b, { batch })).toBe(cost(addUsage(a, b), { batch }))
    }),
  )
})

test('monotone: more tokens never cost less, also across the step to long prompts', () => {
  fc.assert(
    fc.property(usages, usages, fc.constantFrom('flat', 'stepped'), (a, more, modelId) => {
      expect(cost(addUsage(a, more), { modelId })).toBeGreaterThanOrEqual(cost(a, { modelId }))
    }),
  )
})

test('every token costs something', () => {
  fc.assert(
    fc.property(
      usages,
      fc.constantFrom(...(Object.keys(rates) as (keyof typeof rates)[])),
      (usage, bucket) => {
        const [more, images] = bucket === 'image' ? [usage, 1] : [oneMore(usage, bucket), 0]
        expect(cost(more, { images })).toBeGreaterThan(cost(usage))
      },
    ),
  )
})

test('independent of the order of the records', () => {
  const shuffled = fc
    .array(usages)
    .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })))
  fc.assert(
    fc.property(shuffled, ([list, other]) => {
      expect(sum(other.map((usage) => cost(usage)))).toBe(sum(list.map((usage) => cost(usage))))
    }),
  )
})

test('exact: a million sums do not drift', () => {
  // 1 cached token at 0.33 USD per million: no binary fraction.
  const one = {
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 1,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
  }
  let total = 0n
  for (let record = 0; record < 1_000_000; record++) total += cost(one)
  expect(total).toBe(330_000_000_000n)
})

test('the parts are the whole', () => {
  fc.assert(
    fc.property(usages, (usage) => {
      const price = priceOf({ provider: 'bedrock', modelId: 'flat', atMs: 0, usage, images: 2 }, catalogue)
      expect(price.priced && Object.values(price.parts).reduce((a, b) => a + b)).toBe(
        price.priced && price.picoUsd,
      )
    }),
  )
})

function oneMore(usage: Usage, bucket: Exclude<keyof typeof rates, 'image'>): Usage {
  const key = `${bucket}Tokens` as const
  return { ...usage, [key]: usage[key] + 1 }
}
