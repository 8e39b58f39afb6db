/** The snippets of the page of prices, against the local cloud. */

import { noUsage } from '@sluice/core'
import { type CatalogueData, priceOf, usdText } from '@sluice/cost-meter'
import { startLocal } from 'sluice/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitingUsd, wholeUsd } from './lambda-price.ts'

const newer: CatalogueData = {
  source: 's3://prices/bedrock.json',
  asOf: '2026-11-20',
  prices: { bedrock: { 'amazon.nova-micro-v1:0': { routes: ['us'], input: 0.03 } } },
}

let local: Awaited<ReturnType<typeof start>>
const start = () => startLocal({ buckets: { prices: {} } })
const before = { ...process.env }
beforeAll(async () => {
  local = await start()
  await local.buckets.prices.put('bedrock.json', JSON.stringify(newer))
  Object.assign(process.env, local.environment, { AWS_REGION: 'us-east-1' })
})
afterAll(async () => {
  process.env = before
  await local.close()
})

test('prices.ts: overrides, then what lies in the bucket, then the built-in prices', async () => {
  // Its clients read the environment.
  const { prices } = await import('./prices.ts')
  const usage = { ...noUsage, inputTokens: 1_000_000 }
  const ask = async (provider: string, modelId: string, more = {}) => {
    const price = priceOf({ provider, modelId, usage, atMs: 0, ...more }, await prices.open(modelId))
    return price.priced ? usdText(price.picoUsd) : price.reason
  }
  expect(await ask('bedrock', 'eu.amazon.nova-lite-v1:0')).toBe('0.07')
  expect(await ask('sagemaker', 'ticket-classifier')).toBe('0.0004')
  expect(await ask('sagemaker', 'summarizer', { serviceMs: 3_600_000 })).toBe('0.352')
  expect(await ask('bedrock', 'us.amazon.nova-micro-v1:0')).toBe('0.03')
  expect(await ask('bedrock', 'us.amazon.nova-lite-v1:0')).toBe('0.06')
})

test('lambda-price.ts: most of it is waiting', () => {
  expect(wholeUsd).toBe('0.000718859843')
  expect(waitingUsd).toBe('0.00069101908')
})
