import { priceBook } from '@sluice/cost-meter'
import { expect, test } from 'vitest'
import { checkAgreement } from './cost.ts'
import { grade, isPlain, type TruthCase, truthCases } from './grade.ts'
import { pricers } from './priced-by.ts'
import { makeRecords } from './records.ts'

const usage = {
  inputTokens: 1,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
}
const priced: TruthCase = { name: 'priced', modelId: 'm', at: '2026-11-01', usage, usd: '0.1' }
const unpriced: TruthCase = {
  name: 'unpriced',
  modelId: 'm',
  at: '2026-11-01',
  usage,
  unpriced: 'unknown_model',
}

test('text must be exact, floats nearly so', () => {
  expect(grade([priced], () => '0.1')).toEqual({ right: 1, wrong: [], unclaimed: 0 })
  expect(grade([priced], () => '0.10')).toEqual({ right: 0, wrong: ['priced'], unclaimed: 0 })
  expect(grade([priced], () => 0.1 + 1e-12)).toEqual({ right: 1, wrong: [], unclaimed: 0 })
  expect(grade([priced], () => 0.1001)).toEqual({ right: 0, wrong: ['priced'], unclaimed: 0 })
})

test('no answer is right where there is no price, and no claim where there is one', () => {
  expect(grade([priced, unpriced], () => undefined)).toEqual({ right: 1, wrong: [], unclaimed: 1 })
  expect(grade([unpriced], () => 0)).toEqual({ right: 0, wrong: ['unpriced'], unclaimed: 0 })
})

test('the libraries are asked only what they can be told', () => {
  expect(isPlain(priced)).toBe(true)
  for (const more of [{ batch: true }, { serviceTier: 'flex' }, { latency: 'optimized' }, { images: 1 }]) {
    expect(isPlain({ ...priced, ...more })).toBe(false)
  }
})

test('ours is right in every case, and the libraries are known where they go wrong', async () => {
  const by = await pricers()
  const cases = truthCases()
  expect(grade(cases, by.sluice)).toEqual({ right: cases.length, wrong: [], unclaimed: 0 })
  expect(grade(cases.filter(isPlain), by.genaiPrices).wrong).toContain('a newer Sonnet is not Sonnet 5')
  expect(grade(cases.filter(isPlain), by.tokenlens).right).toBeGreaterThan(0)
})

test('all pricers give the same price for each record that is timed', async () => {
  const by = await pricers()
  const records = makeRecords(200)
  checkAgreement(records, by)
  expect(() => checkAgreement(records, { ...by, tokenlens: () => undefined })).toThrow('tokenlens gives NaN')
  const catalogue = await priceBook().open('')
  expect(records.map((record) => typeof catalogue.find(record))).not.toContain('string')
})
