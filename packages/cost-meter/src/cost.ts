/** What one attempt costs: what it has used, at the price of the day; and what it can cost at most. */

import { type ModelRequest, noUsage, type Outcome, promptTokens, SluiceError, type Usage } from '@sluice/core'
import type { Catalogue } from './pricing/catalogue.ts'
import { type CostParts, type Price, priceOf, type UnpricedReason } from './pricing/price.ts'
import { usdText } from './pricing/usd.ts'

/** Where and when a request is priced. */
export interface PricedAt {
  readonly atMs: number
  /** The Region that is called. */
  readonly region?: string | undefined
}

export type Cost = PricedCost | UnpricedCost

export interface PricedCost {
  readonly priced: true
  /** Exact decimal text. */
  readonly usd: string
  /** Where the usage is estimated: the most that it can come to. */
  readonly atMostUsd?: string
  /** What is in it, in exact decimal text, as far as it is not 0. */
  readonly parts: Partial<Record<keyof CostParts, string>>
  /** Where the price is from. Absent where nothing was billed. */
  readonly source?: string
  /** The day (UTC, `YYYY-MM-DD`) on which the source was read. */
  readonly asOf?: string
}

/** There is no price, or none was loaded in time: what it costs is unknown, and not 0. */
export interface UnpricedCost {
  readonly priced: false
  readonly reason: UnpricedReason | 'not_loaded'
}

/** An attempt that has ended. Without a catalogue, none was loaded in time. */
export function costOf(
  request: ModelRequest,
  outcome: Outcome,
  at: PricedAt,
  catalogue: Catalogue | undefined,
): Cost {
  return reckonedCost(request, outcome, at, catalogue).cost
}

/** A cost with what is added up: its text would have to be read again. */
export interface ReckonedCost {
  readonly cost: Cost
  /** Picodollars, safe integers; 0 where there is no price. */
  readonly picoUsd: number
  readonly atMostPicoUsd: number
}

/** @internal As `costOf`. */
export function reckonedCost(
  request: ModelRequest,
  outcome: Outcome,
  at: PricedAt,
  catalogue: Catalogue | undefined,
): ReckonedCost {
  if (isUnbilled(outcome)) return withoutAmount({ priced: true, usd: '0', parts: {} })
  if (!catalogue) return withoutAmount({ priced: false, reason: 'not_loaded' })
  const price = priceUsage(request, outcome.usage, outcome, at, catalogue)
  if (!price.priced) return withoutAmount(price)
  const { picoUsd, parts, source, asOf } = price
  const atMost = outcome.atMost && priceUsage(request, outcome.atMost, outcome, at, catalogue)
  const cost = {
    priced: true,
    usd: usdText(picoUsd),
    ...(atMost?.priced && { atMostUsd: usdText(atMost.picoUsd) }),
    parts: textOf(parts),
    source,
    asOf,
  } as const
  return { cost, picoUsd, atMostPicoUsd: atMost?.priced ? atMost.picoUsd : picoUsd }
}

function withoutAmount(cost: Cost): ReckonedCost {
  return { cost, picoUsd: 0, atMostPicoUsd: 0 }
}

/**
 * The most that one attempt at a request is expected to cost: its estimated prompt, should all of it be written to the
 * prompt cache where that is dearer, and all of its `maxTokens`. For reservations; what it has cost in the end is told by
 * the meter.
 *
 * @param at `serviceMs` is the longest that the provider may work on it, for prices by the hour. Default: 0
 *
 * @example
 * ```ts
 * import type { ModelRequest } from '@sluice/core'
 * import { priceBook, worstCaseOf } from '@sluice/cost-meter'
 *
 * const prices = priceBook()
 *
 * export async function mayCost(request: ModelRequest, maxPicoUsd: number): Promise<boolean> {
 *   const worst = worstCaseOf(request, { atMs: Date.now() }, await prices.open(request.modelId))
 *   return worst.priced && worst.picoUsd <= maxPicoUsd
 * }
 * ```
 */
export function worstCaseOf(
  request: ModelRequest,
  at: PricedAt & { readonly serviceMs?: number },
  catalogue: Catalogue,
): Price | { readonly priced: false; readonly reason: 'no_max_tokens' } {
  const { estimatedInputTokens, maxTokens } = request
  const { serviceMs = 0 } = at
  const priceIn = (bucket: keyof Usage, outputTokens = maxTokens ?? 0) => {
    const usage = { ...noUsage, outputTokens, [bucket]: estimatedInputTokens }
    return priceUsage(request, usage, { serviceMs }, at, catalogue)
  }
  let worst = priceIn('inputTokens')
  if (maxTokens === undefined && worst.priced) {
    // Known all the same where output is free, as with a price per call.
    const longer = priceIn('inputTokens', 1)
    if (!longer.priced || longer.picoUsd > worst.picoUsd) return { priced: false, reason: 'no_max_tokens' }
  }
  for (const bucket of ['cacheWrite5mTokens', 'cacheWrite1hTokens'] as const) {
    const price = priceIn(bucket)
    if (worst.priced && price.priced && price.picoUsd > worst.picoUsd) worst = price
  }
  return worst
}

function priceUsage(
  request: ModelRequest,
  usage: Usage,
  { terms = request.terms, serviceMs }: Pick<Partial<Outcome>, 'terms' | 'serviceMs'>,
  { atMs, region }: PricedAt,
  catalogue: Catalogue,
): Price {
  const { provider, modelId } = request
  return priceOf(
    {
      provider,
      modelId: terms?.routedModelId ?? modelId,
      usage,
      atMs,
      region,
      serviceTier: terms?.serviceTier,
      latency: terms?.latency,
      serviceMs,
    },
    catalogue,
  )
}

/** Refused, or never arrived. A price per call is not due for it either, and no price has to be known. */
function isUnbilled({ error, usage, estimated }: Outcome): boolean {
  if (estimated || !SluiceError.is(error)) return false
  return error.unbilled && promptTokens(usage) + usage.outputTokens === 0
}

function textOf(parts: CostParts): Partial<Record<keyof CostParts, string>> {
  const texts: Partial<Record<keyof CostParts, string>> = {}
  for (const part of Object.keys(parts) as (keyof CostParts)[]) {
    if (parts[part] !== 0) texts[part] = usdText(parts[part])
  }
  return texts
}
