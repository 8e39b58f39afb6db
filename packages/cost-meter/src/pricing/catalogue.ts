/** The prices that are known: which model, called which way, on which day, on which terms. No id stands for another. */

import { promptTokens } from '@sluice/core'
import { type CalledAs, calledAs, isApplicationProfile } from './called-as.ts'
import type { Priceable, UnpricedReason } from './price.ts'
import { type CompiledRates, compileRates, type Rates } from './rates.ts'

/** Rates that may depend on the length of the prompt. */
export interface TieredRates extends Rates {
  /** The rates of the whole request when its prompt, cached or not, has more tokens than this. */
  readonly above?: Rates & { readonly tokens: number }
}

/**
 * The prices of one model, called in one of some ways. In a list of several, the last that holds for the way, the
 * Region and the day is taken.
 */
export interface ModelPrices extends TieredRates {
  /**
   * Ways to call it that have this price: `region` is the model's own id, everything else the prefix of an inference
   * profile (`us`, `eu`, `global`, ...). A way that is not named is unpriced.
   *
   * @default ['region']
   */
  readonly routes?: readonly string[]
  /** Regions that have this price. Without it: all but those of GovCloud, of China and of sovereign clouds. */
  readonly regions?: readonly string[]
  /** The first day (UTC, `YYYY-MM-DD`) of this price. Without it: always. */
  readonly from?: string
  /**
   * Other terms than the standard ones: a factor on all rates, or the rates. `flex`, `priority` and so on are service
   * tiers, `batch` is a batch job, `optimized` is latency-optimised. Terms that are not named are unpriced.
   */
  readonly terms?: Readonly<Record<string, number | TieredRates>>
  /** Where this price is from, if not from the catalogue's own source. */
  readonly source?: string
  /** The day on which that was read. */
  readonly asOf?: string
}

/** Prices as data: what the built-in catalogue is, and what a refresh returns. Plain JSON. */
export interface CatalogueData {
  readonly source: string
  /** The day (UTC, `YYYY-MM-DD`) on which the source was read. */
  readonly asOf: string
  /** By provider, then by id without the prefix of an inference profile. */
  readonly prices: Readonly<Record<string, Readonly<Record<string, ModelPrices | readonly ModelPrices[]>>>>
}

/** What `priceOf` looks prices up in. */
export interface Catalogue {
  /** The rates that hold for this item, or why there are none. */
  find(item: Priceable): FoundRates | UnpricedReason
}

/** @internal */
export interface FoundRates {
  readonly rates: CompiledRates
  readonly source: string
  readonly asOf: string
}

interface DatedRates {
  readonly fromMs: number
  readonly found: FoundRates | UnpricedReason
  readonly above?: { readonly tokens: number; readonly found: FoundRates } | undefined
}

/** The last of a list first. */
type Series = readonly DatedRates[] | UnpricedReason

interface KeptSeries {
  readonly provider: string
  readonly region: string | undefined
  readonly terms: string
  readonly behind: string | undefined
  readonly series: Series
}

/** Ids are few; only application profiles made by the thousand could make this grow. */
const keptIds = 1_000

/** Regions of clouds with prices of their own: GovCloud, China, the sovereign and the isolated ones. */
const otherPartition = /^(?:us-gov|cn|eusc|us-iso|eu-iso)/

/**
 * A catalogue of several layers: the first that names a model, called this way, decides alone.
 *
 * @param profiles what stands behind application inference profiles, by ARN; may grow later
 * @throws TypeError when a price is none
 */
export function catalogueOf(
  layers: readonly CatalogueData[],
  profiles: ReadonlyMap<string, string> = new Map(),
): Catalogue {
  const kept = new Map<string, KeptSeries[]>()
  for (const layer of layers) checkLayer(layer)

  function find(item: Priceable): FoundRates | UnpricedReason {
    const series = seriesFor(item)
    return typeof series === 'string' ? series : atDate(series, item)
  }

  /** Asked for every attempt: by the id alone, then among the few ways in which it is called. No key is put together. */
  function seriesFor(item: Priceable): Series {
    const { provider, modelId, region } = item
    const behind = profiles.size > 0 ? profiles.get(modelId) : undefined
    const terms = termsOf(item)
    let ways = kept.get(modelId)
    if (ways) {
      for (const way of ways) {
        if (
          way.region === region &&
          way.terms === terms &&
          way.provider === provider &&
          way.behind === behind
        ) {
          return way.series
        }
      }
    } else {
      if (kept.size >= keptIds) kept.clear()
      ways = []
      kept.set(modelId, ways)
    }
    const series = seriesOf(item, behind, terms)
    ways.push({ provider, region, terms, behind, series })
    return series
  }

  function seriesOf(item: Priceable, behind: string | undefined, terms: string): Series {
    const called = calledAs(item.modelId)
    const real = behind === undefined ? called : calledAs(behind)
    const region = called.region ?? real.region ?? item.region
    for (const layer of layers) {
      const { [item.provider]: prices = {} } = layer.prices
      // A key that is the id as it was called wins: that is how a user prices one profile or one endpoint.
      const entries =
        entriesFor(prices, { baseId: item.modelId, route: 'region', region }) ??
        entriesFor(prices, { ...real, region })
      if (entries) return narrowed(entries, region, terms, layer)
    }
    return isApplicationProfile(item.modelId) && behind === undefined ? 'unknown_profile' : 'unknown_model'
  }

  return { find }
}

function entriesFor(
  prices: CatalogueData['prices'][string],
  { baseId, route }: CalledAs,
): readonly ModelPrices[] | undefined {
  if (!Object.hasOwn(prices, baseId)) return undefined
  const entries = listOf(prices[baseId]!).filter(({ routes = ['region'] }) => routes.includes(route))
  return entries.length > 0 ? entries : undefined
}

function narrowed(
  entries: readonly ModelPrices[],
  region: string | undefined,
  terms: string,
  layer: CatalogueData,
): Series {
  const here = entries.filter(({ regions }) =>
    regions ? region !== undefined && regions.includes(region) : !otherPartition.test(region ?? ''),
  )
  if (here.length === 0) return 'unknown_region'
  return here.map((entry) => dated(entry, terms, layer)).toReversed()
}

function dated(entry: ModelPrices, terms: string, layer: CatalogueData): DatedRates {
  const { source = layer.source, asOf = layer.asOf, from, terms: others = {} } = entry
  const fromMs = from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from)
  // It stays in its place: on these terms, an older price does not live on.
  if (terms !== '' && !Object.hasOwn(others, terms)) return { fromMs, found: 'unknown_terms' }
  const { rates, above, factor } = onTerms(entry, terms === '' ? 1 : others[terms]!)
  const found = (some: Rates): FoundRates => ({ rates: compileRates(some, factor, source), source, asOf })
  return { fromMs, found: found(rates), above: above && { tokens: above.tokens, found: found(above) } }
}

function onTerms(entry: ModelPrices, terms: number | TieredRates) {
  const [rates, factor] = typeof terms === 'number' ? [entry, terms] : [terms, 1]
  return { rates, above: rates.above, factor }
}

function atDate(series: readonly DatedRates[], { usage, atMs }: Priceable): FoundRates | UnpricedReason {
  const current = series.find(({ fromMs }) => fromMs <= atMs)
  if (!current) return 'unknown_date'
  const { found, above } = current
  return above && promptTokens(usage) > above.tokens ? above.found : found
}

/** Empty for the standard terms. Terms that meet (`batch+flex`) are terms of their own: their factors do not multiply. */
function termsOf({ serviceTier = 'default', latency = 'standard', batch = false }: Priceable): string {
  let terms = batch ? 'batch' : ''
  if (serviceTier !== 'default') terms = joined(terms, serviceTier)
  if (latency !== 'standard') terms = joined(terms, latency)
  return terms
}

function joined(terms: string, term: string): string {
  return terms === '' ? term : `${terms}+${term}`
}

function listOf(entry: ModelPrices | readonly ModelPrices[]): readonly ModelPrices[] {
  return Array.isArray(entry) ? entry : [entry as ModelPrices]
}

/** Every rate is compiled once here, so that a wrong price shows when it is given and not when it is first used. */
function checkLayer(layer: CatalogueData): void {
  // What `load` returns was never seen by a compiler.
  if (typeof layer?.prices !== 'object')
    throw new TypeError('A catalogue has the fields source, asOf and prices')
  for (const [provider, prices] of Object.entries(layer.prices)) {
    for (const [modelId, entry] of Object.entries(prices)) {
      for (const prices of listOf(entry))
        checkPrices(prices, `prices.${provider}[${JSON.stringify(modelId)}]`)
    }
  }
}

function checkPrices(prices: ModelPrices, where: string): void {
  for (const terms of [1, ...Object.values(prices.terms ?? {})]) {
    const { rates, above = {}, factor } = onTerms(prices, terms)
    for (const some of [rates, above]) compileRates(some, factor, where)
  }
  if (prices.from !== undefined && Number.isNaN(Date.parse(prices.from))) {
    throw new TypeError(`${where}.from is ${JSON.stringify(prices.from)}. Give a day as YYYY-MM-DD.`)
  }
}
