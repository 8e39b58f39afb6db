/** Where catalogues come from: the user's own prices, what a function of theirs loads, and the built-in one. */

import { type Clock, systemClock } from '@sluice/core'
import { inTime } from '../in-time.ts'
import { isApplicationProfile } from './called-as.ts'
import { type Catalogue, type CatalogueData, catalogueOf } from './catalogue.ts'

export interface PriceBookOptions {
  /** Prices of your own, by provider and id. A model named here is priced by them alone. */
  readonly overrides?: CatalogueData['prices']
  /**
   * Loads newer prices, from S3, SSM or wherever, before the built-in ones are asked. Called when first needed and
   * every `refreshMs`. When it fails, prices stay as they were, with a warning.
   */
  readonly load?: (signal: AbortSignal) => Promise<CatalogueData>
  /** @default 3_600_000 */
  readonly refreshMs?: number
  /** How long `load` and a resolver of profiles may take. @default 2_000 */
  readonly timeoutMs?: number
  /**
   * What stands behind application inference profiles: model ids by ARN, or a function that finds one out
   * (`GetInferenceProfile` of the control plane). Its answers are kept.
   */
  readonly profiles?: Readonly<Record<string, string>> | ProfileResolver
  /** @default process.emitWarning */
  readonly warn?: (message: string) => void
  readonly clock?: Clock
}

/** The id or ARN of the model behind an application inference profile; undefined when there is none. */
export type ProfileResolver = (profileArn: string, signal: AbortSignal) => Promise<string | undefined>

export interface PriceBook {
  /** A catalogue that is ready to price this model: at once when it is, else a promise. Never rejects. */
  open(modelId: string): Catalogue | Promise<Catalogue>
}

/** A profile that could not be resolved is asked for again after this long. */
const retryProfileMs = 60_000

/**
 * A book of prices: overrides first, then what `load` gave, then the built-in catalogue of Bedrock, which is loaded when
 * first needed.
 *
 * @example
 * ```ts
 * import { priceBook } from '@sluice/cost-meter'
 *
 * const prices = priceBook({
 *   overrides: { sagemaker: { 'my-endpoint': { call: 0.0004 } } },
 *   profiles: { 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc': 'eu.amazon.nova-lite-v1:0' },
 * })
 * const catalogue = await prices.open('my-endpoint')
 * ```
 *
 * @throws TypeError when an override is no price
 */
export function priceBook({
  overrides = {},
  load,
  refreshMs = 3_600_000,
  timeoutMs = 2_000,
  profiles = {},
  warn = (message) => process.emitWarning(message, 'SluiceWarning'),
  clock = systemClock,
}: PriceBookOptions = {}): PriceBook {
  const own: CatalogueData = { source: 'override', asOf: dayOf(clock.now()), prices: overrides }
  const resolver = typeof profiles === 'function' ? profiles : undefined
  const known = new Map(typeof profiles === 'function' ? [] : Object.entries(profiles))
  const retryAtMs = new Map<string, number>()
  const inFlight = new Map<string, Promise<void>>()
  let builtIn: CatalogueData | undefined
  let loaded: CatalogueData | undefined
  // Made at once, so that a wrong override shows now.
  let catalogue = catalogueOf([own], known)
  let staleAtMs = Number.NEGATIVE_INFINITY

  function open(modelId: string): Catalogue | Promise<Catalogue> {
    const tasks: Promise<void>[] = []
    if (clock.now() >= staleAtMs) tasks.push(shared('', refresh))
    if (resolver && isUnresolved(modelId)) tasks.push(shared(modelId, () => resolve(modelId, resolver)))
    return tasks.length === 0 ? catalogue : Promise.all(tasks).then(() => catalogue)
  }

  function isUnresolved(modelId: string): boolean {
    if (known.has(modelId) || !isApplicationProfile(modelId)) return false
    return clock.now() >= (retryAtMs.get(modelId) ?? 0)
  }

  /** Who asks while it is under way waits for the same. */
  function shared(key: string, task: () => Promise<void>): Promise<void> {
    const running = inFlight.get(key) ?? task().finally(() => inFlight.delete(key))
    inFlight.set(key, running)
    return running
  }

  async function refresh(): Promise<void> {
    await Promise.all([
      builtIn ??
        tried('The built-in prices', async () => {
          builtIn = await bedrockPrices()
        }),
      load &&
        tried('Newer prices', async (signal) => {
          const newer = await load(signal)
          catalogueOf([newer])
          loaded = newer
        }),
    ])
    const layers = [own, loaded, builtIn].filter((layer) => layer !== undefined)
    catalogue = catalogueOf(layers, known)
    staleAtMs = load || !builtIn ? clock.now() + refreshMs : Number.POSITIVE_INFINITY
  }

  async function resolve(profileArn: string, resolver: ProfileResolver): Promise<void> {
    await tried('An application inference profile', async (signal) => {
      const modelId = await resolver(profileArn, signal)
      if (modelId !== undefined) known.set(profileArn, modelId)
    })
    if (!known.has(profileArn)) retryAtMs.set(profileArn, clock.now() + retryProfileMs)
  }

  async function tried(what: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await inTime(clock, timeoutMs, task)
    } catch (error) {
      warn(`costMeter: ${what} could not be read: ${error instanceof Error ? error.message : String(error)}.`)
    }
  }

  return { open }
}

/** Kept out of the cold start: a chunk of its own. */
async function bedrockPrices(): Promise<CatalogueData> {
  const { default: prices } = await import('./bedrock-prices.json', { with: { type: 'json' } })
  return prices
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}
