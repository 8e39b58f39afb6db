/** The catalogue of Bedrock: imported prices, amended by hand. */

import { isDeepStrictEqual } from 'node:util'
import { findProvider } from '@pydantic/genai-prices'
import type { CatalogueData, ModelPrices, TieredRates } from '../src/pricing/catalogue.ts'
import { type Amendment, additions, amendments } from './amendments.ts'
import { type Imported, imported } from './bedrock-models.ts'

export interface Generated {
  readonly catalogue: CatalogueData
  /** What a reviewer should read: entries that are not used, amendments that do nothing or that overrule the source. */
  readonly remarks: readonly string[]
}

type SourceModel = NonNullable<ReturnType<typeof findProvider>>['models'][number]
type SourceRates = Extract<SourceModel['prices'], { input_mtok?: unknown }>

const buckets = {
  input_mtok: 'input',
  output_mtok: 'output',
  cache_read_mtok: 'cacheRead',
  cache_write_mtok: 'cacheWrite5m',
  cache_write_1h_mtok: 'cacheWrite1h',
} as const

/** @param version of genai-prices; @param asOf the day on which it was published */
export function generateCatalogue(version: string, asOf: string): Generated {
  const models = findProvider({ providerId: 'aws' })?.models ?? []
  const remarks: string[] = []
  const prices: Record<string, ModelPrices[]> = {}
  for (const from of imported) {
    const model = models.find(({ id }) => id === from.entry)
    if (!model) throw new Error(`genai-prices has no entry ${from.entry} any more.`)
    prices[from.id] = [...(prices[from.id] ?? []), ...importedPrices(model, from)]
  }
  const source = `@pydantic/genai-prices ${version}`
  for (const amendment of amendments) remarks.push(...amend(prices, amendment, source))
  for (const { id, prices: added } of additions) {
    if (prices[id]) remarks.push(`${id} is imported now: remove it from the additions.`)
    prices[id] = [...added]
  }
  const used = new Set(imported.map(({ entry }) => entry))
  for (const { id } of models) if (!used.has(id)) remarks.push(`Not in bedrock-models.ts: ${id}`)
  const sorted = Object.entries(prices).sort(([a], [b]) => (a < b ? -1 : 1))
  const bedrock = Object.fromEntries(sorted.map(([id, list]) => [id, list.length === 1 ? list[0]! : list]))
  return { catalogue: { source, asOf, prices: { bedrock } }, remarks }
}

function importedPrices({ prices }: SourceModel, { routes, regions }: Imported): ModelPrices[] {
  const way = { ...(routes && { routes }), ...(regions && { regions }) }
  const dated = Array.isArray(prices) ? prices : [{ prices }]
  return dated.map(({ constraint, prices: rates }) => {
    if (!constraint) return { ...way, ...ratesOf(rates) }
    if (!('start_date' in constraint)) throw new Error('A price with a constraint that is no date.')
    return { ...way, from: String(constraint.start_date), ...ratesOf(rates) }
  })
}

function ratesOf(source: SourceRates): TieredRates {
  const rates: Record<string, number> = {}
  const above: Record<string, number> = {}
  for (const [key, rate] of Object.entries(source)) {
    const bucket = buckets[key as keyof typeof buckets]
    if (!bucket) throw new Error(`A bucket that is not known: ${key}.`)
    if (typeof rate === 'number') rates[bucket] = rate
    else readTiers(bucket, rate as { base: number; tiers: { start: number; price: number }[] }, rates, above)
  }
  return Object.keys(above).length === 0 ? rates : { ...rates, above: above as { tokens: number } }
}

function readTiers(
  bucket: string,
  { base, tiers }: { base: number; tiers: { start: number; price: number }[] },
  rates: Record<string, number>,
  above: Record<string, number>,
): void {
  const [tier, ...more] = tiers
  if (!tier || more.length > 0 || (above.tokens ?? tier.start) !== tier.start) {
    throw new Error('Prices by length with more than one step.')
  }
  rates[bucket] = base
  above.tokens = tier.start
  above[bucket] = tier.price
}

function amend(prices: Record<string, ModelPrices[]>, amendment: Amendment, importedFrom: string): string[] {
  const { ids, routes, change, source, asOf } = amendment
  return ids.flatMap((id) => {
    const list = prices[id]
    if (!list) throw new Error(`An amendment names ${id}, which is not imported.`)
    const remarks: string[] = []
    prices[id] = list.map((before) => {
      if (routes && !(before.routes ?? ['region']).some((route) => routes.includes(route))) return before
      const after = change(before)
      if (isDeepStrictEqual(after, before)) remarks.push(`${id}: an amendment from ${source} does nothing.`)
      for (const bucket of Object.values(buckets)) {
        if (before[bucket] !== undefined && before[bucket] !== after[bucket]) {
          remarks.push(`${id}: ${bucket} ${before[bucket]} becomes ${after[bucket]}, from ${source}.`)
        }
      }
      return { ...after, source: `${before.source ?? importedFrom}; ${source}`, asOf }
    })
    return remarks
  })
}
