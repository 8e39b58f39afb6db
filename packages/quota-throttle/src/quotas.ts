/** The quotas of models, as a user writes them, and the limits of one ledger, as a store takes them. */

import type { QuotaBelief, QuotaLimits, RateLimit } from '@sluice/store'
import { longest } from './model-limits.ts'

/** What Service Quotas shows for one model, Region and kind of inference profile. */
export interface Quotas {
  readonly tokensPerMinute?: number | undefined
  /** Only where the model has such a quota. */
  readonly requestsPerMinute?: number | undefined
  /** Needs a `daily` store: these tokens do not come back within the day. */
  readonly tokensPerDay?: number | undefined
  /**
   * The most tokens at once, in tokens.
   *
   * @default `tokensPerMinute`: a whole minute. A provider that allows less says so with its first refusals.
   */
  readonly burstTokens?: number | undefined
  /** @default `requestsPerMinute` */
  readonly burstRequests?: number | undefined
}

/** Quotas for all models alike, or by the head of the base model's id: the longest one that fits decides. */
export type QuotaOptions = Quotas | Readonly<Record<string, Quotas>>

const names: readonly (keyof Quotas)[] = [
  'tokensPerMinute',
  'requestsPerMinute',
  'tokensPerDay',
  'burstTokens',
  'burstRequests',
]

/** @throws TypeError naming what cannot be right */
export function checkQuotas(option: string, quotas: QuotaOptions): void {
  if (typeof quotas !== 'object' || quotas === null || Object.keys(quotas).length === 0) {
    throw new TypeError(`${option} is empty. Give { tokensPerMinute }, or quotas by model.`)
  }
  for (const [key, value] of Object.entries(quotas)) {
    if (typeof value === 'object' && value !== null) checkQuotas(`${option}["${key}"]`, value)
    else if (!names.includes(key as keyof Quotas)) {
      throw new TypeError(`${option}.${key} is not a quota. Use: ${names.join(', ')}.`)
    } else if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new TypeError(`${option}.${key} is ${String(value)}. Give an integer above 0.`)
    }
  }
}

/** The quotas of one model; undefined where it has none. */
export function quotasOf(quotas: QuotaOptions, baseModelId: string): Quotas | undefined {
  return isForAll(quotas) ? quotas : longest(baseModelId, quotas)
}

function isForAll(quotas: QuotaOptions): quotas is Quotas {
  return Object.values(quotas).every((value) => typeof value !== 'object')
}

/** What is in force: the configured quotas, times our share of them, times what is believed. */
export function limitsOf(quotas: Quotas, share: number, belief: QuotaBelief): QuotaLimits {
  const {
    tokensPerMinute,
    requestsPerMinute,
    burstTokens = tokensPerMinute,
    burstRequests = requestsPerMinute,
  } = quotas
  return {
    tokens: limit(tokensPerMinute, burstTokens && headroom * burstTokens, share, belief),
    requests: limit(requestsPerMinute, burstRequests, share, belief),
  }
}

/** We learn of a debt a little later than the provider, and estimate prompts that it counts. */
const headroom = 0.985

function limit(
  perMinute: number | undefined,
  burst: number | undefined,
  share: number,
  { ratePermille, burstPermille }: QuotaBelief,
): RateLimit | undefined {
  if (perMinute === undefined || burst === undefined) return undefined
  return {
    perMinute: Math.max(1, Math.floor((perMinute * share * ratePermille) / 1000)),
    burst: Math.max(1, Math.floor((burst * share * burstPermille) / 1000)),
  }
}
