/** What the function itself costs while it runs, most of which is spent waiting for models. */

import type { UnpricedReason } from './price.ts'

/** One invocation, or a part of one. */
export interface LambdaPriceable {
  /** Rounded up to whole milliseconds, as it is billed. */
  readonly durationMs: number
  readonly memoryMb: number
  readonly region: string | undefined
  /** @default 'arm64' */
  readonly architecture?: 'arm64' | 'x86_64'
  /** 0 for a part of an invocation. @default 1 */
  readonly requests?: number
  /** The first 6 MB of each request are free. @default 0 */
  readonly streamedBytes?: number
}

/** In USD, as on the price page. */
export interface LambdaRates {
  /** Per GB-second. */
  readonly arm64: number
  /** Per GB-second. */
  readonly x86_64: number
  readonly request: number
  /** Per GB (2^30 bytes). */
  readonly streamedGb: number
  readonly source: string
  /** The day (UTC, `YYYY-MM-DD`) on which the source was read. */
  readonly asOf: string
}

export type LambdaPrice =
  | {
      readonly priced: true
      /** Picodollars (1e-12 USD), each part rounded once. */
      readonly picoUsd: number
      readonly parts: { readonly duration: number; readonly requests: number; readonly streaming: number }
      readonly source: string
      readonly asOf: string
    }
  | { readonly priced: false; readonly reason: UnpricedReason }

/** Regions whose list price was seen. Elsewhere: give rates. */
const listRegions = ['us-east-1', 'us-east-2']

/** The first tier of duration. Free tiers and later tiers belong to an account and a month, not to an invocation. */
const listRates: LambdaRates = {
  arm64: 0.0000133334,
  x86_64: 0.0000166667,
  request: 0.0000002,
  streamedGb: 0.008,
  source: 'aws.amazon.com/lambda/pricing',
  asOf: '2026-11-21',
}

const freeStreamedBytes = 6 * 1024 * 1024

/**
 * The list price of an invocation, or of the part of it that was spent waiting.
 *
 * @param rates those of your Region or contract. Without them, prices are known for `us-east-1` and `us-east-2` only
 *
 * @example
 * ```ts
 * import { lambdaPriceOf, usdText } from '@sluice/cost-meter'
 *
 * const waited = lambdaPriceOf({ durationMs: 30_000, memoryMb: 1769, region: 'us-east-1', requests: 0 })
 * if (waited.priced) console.log(usdText(waited.picoUsd)) // 0.00069101908
 * ```
 */
export function lambdaPriceOf(use: LambdaPriceable, rates?: LambdaRates): LambdaPrice {
  const { memoryMb, region, architecture = 'arm64', requests = 1, streamedBytes = 0 } = use
  const durationMs = Math.ceil(use.durationMs)
  if (
    ![durationMs, memoryMb, requests, streamedBytes].every(
      (value) => Number.isSafeInteger(value) && value >= 0,
    )
  ) {
    return { priced: false, reason: 'invalid_usage' }
  }
  if (!rates && !listRegions.includes(region ?? '')) return { priced: false, reason: 'unknown_region' }
  const known = rates ?? listRates
  const paidBytes = Math.max(0, streamedBytes - freeStreamedBytes * requests)
  const parts = {
    duration: rounded(known[architecture], BigInt(memoryMb) * BigInt(durationMs), 1024n * 1000n),
    requests: rounded(known.request, BigInt(requests), 1n),
    streaming: rounded(known.streamedGb, BigInt(paidBytes), 1024n ** 3n),
  }
  const picoUsd = parts.duration + parts.requests + parts.streaming
  return { priced: true, picoUsd, parts, source: known.source, asOf: known.asOf }
}

/** Units times rate, to the nearest picodollar. In bigint: the product leaves the safe integers. */
function rounded(usdPerUnit: number, units: bigint, unitsPerRate: bigint): number {
  const picoPerUnit = BigInt(Math.round(usdPerUnit * 1e12))
  return Number((picoPerUnit * units + unitsPerRate / 2n) / unitsPerRate)
}
