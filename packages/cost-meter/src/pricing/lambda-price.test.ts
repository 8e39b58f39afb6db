import { expect, test } from 'vitest'
import { type LambdaPriceable, type LambdaRates, lambdaPriceOf } from './lambda-price.ts'

const use: LambdaPriceable = { durationMs: 1000, memoryMb: 1024, region: 'us-east-1' }
const mb = 1024 * 1024

test('the parts are those of the bill', () => {
  const price = lambdaPriceOf({ ...use, streamedBytes: 1030 * mb })
  expect(price).toMatchObject({
    priced: true,
    parts: { duration: 13_333_400, requests: 200_000, streaming: 8_000_000_000 },
    picoUsd: 8_013_533_400,
    source: 'aws.amazon.com/lambda/pricing',
  })
})

test('durations are rounded up to whole milliseconds', () => {
  expect(lambdaPriceOf({ ...use, durationMs: 1.01 })).toEqual(lambdaPriceOf({ ...use, durationMs: 2 }))
})

test('6 MB are free for each request', () => {
  const streaming = (requests: number) => {
    const price = lambdaPriceOf({ ...use, requests, streamedBytes: 12 * mb })
    return price.priced && price.parts.streaming
  }
  expect(streaming(2)).toBe(0)
  expect(streaming(1)).toBe(46_875_000)
  expect(streaming(0)).toBe(93_750_000)
})

test('rates of your own hold in any Region', () => {
  const rates: LambdaRates = {
    arm64: 0.00002,
    x86_64: 0.00003,
    request: 0,
    streamedGb: 0,
    source: 'contract',
    asOf: '2026-01-01',
  }
  const anywhere = { ...use, region: undefined }
  expect(lambdaPriceOf(anywhere, rates)).toMatchObject({ picoUsd: 20_000_000, source: 'contract' })
  expect(lambdaPriceOf({ ...anywhere, architecture: 'x86_64' }, rates)).toMatchObject({ picoUsd: 30_000_000 })
  expect(lambdaPriceOf(anywhere)).toEqual({ priced: false, reason: 'unknown_region' })
})

test.each<Partial<LambdaPriceable>>([
  { durationMs: -1 },
  { durationMs: Number.NaN },
  { memoryMb: 0.5 },
  { streamedBytes: Number.POSITIVE_INFINITY },
  { requests: -1 },
])('%j is no use', (wrong) => {
  expect(lambdaPriceOf({ ...use, ...wrong })).toEqual({ priced: false, reason: 'invalid_usage' })
})
