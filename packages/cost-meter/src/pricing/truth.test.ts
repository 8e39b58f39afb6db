import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type LambdaPriceable, lambdaPriceOf } from './lambda-price.ts'
import { type Priceable, priceOf } from './price.ts'
import { priceBook } from './price-book.ts'
import { usdText } from './usd.ts'

interface Case {
  readonly name: string
  readonly at: string
  readonly usd?: string
  readonly unpriced?: string
  readonly source: readonly string[]
}

const read = (name: string) => readFileSync(new URL(`../../truth/${name}`, import.meta.url), 'utf8')
const casesOf = <Fields>(name: string) =>
  read(name)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case & Fields)

const bedrock = casesOf<Omit<Priceable, 'provider' | 'atMs'>>('bedrock-cases.jsonl')
const lambda = casesOf<LambdaPriceable>('lambda-cases.jsonl')

test('every case has a source, and there are enough', () => {
  const sources = JSON.parse(read('sources.json')) as Record<string, unknown>
  for (const { source } of [...bedrock, ...lambda]) {
    expect(source.length).toBeGreaterThan(0)
    for (const name of source) expect(sources).toHaveProperty([name])
  }
  expect(bedrock.length).toBeGreaterThan(100)
})

describe('Bedrock', () => {
  const prices = priceBook()
  test.each(bedrock.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    const item: Priceable = { ...each, provider: 'bedrock', atMs: Date.parse(each.at) }
    const price = priceOf(item, await prices.open(each.modelId))
    const answer = price.priced ? { usd: usdText(price.picoUsd) } : { unpriced: price.reason }
    expect(answer).toEqual(each.unpriced === undefined ? { usd: each.usd } : { unpriced: each.unpriced })
  })
})

describe('Lambda', () => {
  test.each(lambda.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const price = lambdaPriceOf(each)
    const answer = price.priced ? { usd: usdText(price.picoUsd) } : { unpriced: price.reason }
    expect(answer).toEqual(each.unpriced === undefined ? { usd: each.usd } : { unpriced: each.unpriced })
  })
})
