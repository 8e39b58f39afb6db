/** From usage to money: one price, exact, or the reason why there is none. Never zero for want of a price. */

import type { Usage } from '@sluice/core'
import type { Catalogue } from './catalogue.ts'

/** What was used, when, and on what terms. */
export interface Priceable {
  /** `bedrock`, `sagemaker`, ... */
  readonly provider: string
  /** As it was called: a model id, an inference profile or an ARN; for SageMaker the name of the endpoint. */
  readonly modelId: string
  readonly usage: Usage
  /** Milliseconds since the epoch: prices change by date. */
  readonly atMs: number
  /** The Region that was called. Needed where the price depends on it. */
  readonly region?: string | undefined
  /** As the provider served it: `default`, `flex`, `priority`, `reserved`. @default 'default' */
  readonly serviceTier?: string | undefined
  /** @default 'standard' */
  readonly latency?: string | undefined
  /** True for a record of a batch job. @default false */
  readonly batch?: boolean | undefined
  /** Images made. @default 0 */
  readonly images?: number | undefined
  /** How long the provider worked on it, in milliseconds, for endpoints that are priced by the hour. @default 0 */
  readonly serviceMs?: number | undefined
}

/** The cost of each bucket, in picodollars (1e-12 USD). */
export interface CostParts {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly images: number
  /** A price per call, or a share of an instance's hour. */
  readonly calls: number
}

export interface Priced {
  readonly priced: true
  /** Picodollars (1e-12 USD), a safe integer. Sum them as bigint. */
  readonly picoUsd: number
  readonly parts: CostParts
  /** Where the price is from. */
  readonly source: string
  /** The day (UTC, `YYYY-MM-DD`) on which the source was read. */
  readonly asOf: string
}

export type UnpricedReason =
  /** Neither the catalogue nor the user names this id, called this way. */
  | 'unknown_model'
  /** An application inference profile that neither the map nor the resolver knows. */
  | 'unknown_profile'
  /** The model is known, and its price in this Region is not; or no Region was told. */
  | 'unknown_region'
  /** The model had no known price at that time. */
  | 'unknown_date'
  /** No price for this service tier, batch or latency. */
  | 'unknown_terms'
  /** Tokens, images or time were used in a bucket that has no price. */
  | 'unknown_bucket'
  /** Counts that are no whole numbers from 0, or too large to be true. */
  | 'invalid_usage'

export interface Unpriced {
  readonly priced: false
  readonly reason: UnpricedReason
}

export type Price = Priced | Unpriced

/**
 * The price of one attempt.
 *
 * @example
 * ```ts
 * import { priceBook, priceOf, usdText } from '@sluice/cost-meter'
 *
 * const modelId = 'global.anthropic.claude-sonnet-4-5-20250929-v1:0'
 * const catalogue = await priceBook().open(modelId)
 * const usage = { inputTokens: 1000, outputTokens: 500, cacheReadTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 }
 * const price = priceOf({ provider: 'bedrock', modelId, usage, atMs: Date.now(), region: 'eu-central-1' }, catalogue)
 * console.log(price.priced ? usdText(price.picoUsd) : price.reason) // 0.0105
 * ```
 */
export function priceOf(item: Priceable, catalogue: Catalogue): Price {
  const found = catalogue.find(item)
  if (typeof found === 'string') return { priced: false, reason: found }
  const { usage, images = 0, serviceMs = 0 } = item
  if (!isCounted(usage, images, serviceMs)) return { priced: false, reason: 'invalid_usage' }
  const { rates, source, asOf } = found
  const parts: CostParts = {
    input: usage.inputTokens && usage.inputTokens * rates.input,
    output: usage.outputTokens && usage.outputTokens * rates.output,
    cacheRead: usage.cacheReadTokens && usage.cacheReadTokens * rates.cacheRead,
    cacheWrite5m: usage.cacheWrite5mTokens && usage.cacheWrite5mTokens * rates.cacheWrite5m,
    cacheWrite1h: usage.cacheWrite1hTokens && usage.cacheWrite1hTokens * rates.cacheWrite1h,
    images: images && images * rates.image,
    calls: rates.call + (rates.hour && timeShare(rates.hour, serviceMs)),
  }
  const { input, output, cacheRead, cacheWrite5m, cacheWrite1h, calls } = parts
  const picoUsd = input + output + cacheRead + cacheWrite5m + cacheWrite1h + parts.images + calls
  // A bucket that was used and has no rate made it NaN: a sum without it would be a guess.
  if (Number.isNaN(picoUsd)) return { priced: false, reason: 'unknown_bucket' }
  // Beyond the safe integers a sum is no longer exact; no attempt costs 9,000 USD.
  if (!Number.isSafeInteger(picoUsd)) return { priced: false, reason: 'invalid_usage' }
  return { priced: true, picoUsd, parts, source, asOf }
}

function isCounted(usage: Usage, images: number, serviceMs: number): boolean {
  return (
    isCount(usage.inputTokens) &&
    isCount(usage.outputTokens) &&
    isCount(usage.cacheReadTokens) &&
    isCount(usage.cacheWrite5mTokens) &&
    isCount(usage.cacheWrite1hTokens) &&
    isCount(images) &&
    serviceMs >= 0 &&
    serviceMs < Number.MAX_SAFE_INTEGER
  )
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** In bigint, since hourly rates times milliseconds leave the safe integers; to the nearest picodollar. */
function timeShare(picoUsdPerHour: number, serviceMs: number): number {
  const hourMs = 3_600_000n
  return Number((BigInt(picoUsdPerHour) * BigInt(Math.round(serviceMs)) + hourMs / 2n) / hourMs)
}
