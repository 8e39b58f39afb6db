/** What one run is: the quota, the load on it, and who knows what. Handed to every process as JSON. */

import type { Compression } from './compressed-time.ts'

export type StoreKind = 'memory' | 'dynamodb' | 'redis'

/** What the throttles are not told, or are told wrong. */
export type Wrong = 'burst' | 'burndown' | 'foreign'

export interface Settings {
  /** Demand as a part of the refill. */
  readonly load: number
  readonly tokensPerMinute: number
  /** The most tokens at once, as the policies are told. */
  readonly burstTokens: number
  readonly maxTokens: number
  /** As the policies are told. */
  readonly burndown: number
  readonly deadlineMs: number
  readonly sandboxes: number
  readonly workers: number
  /** How many calls arrive. */
  readonly calls: number
  /** Parts of the demand, which add up to 1. */
  readonly tenants: readonly number[]
  readonly store: StoreKind
  readonly wrong: Wrong | undefined
  /** Part of the calls whose sandbox dies while they are being answered. */
  readonly kill: number
  readonly seed: number
  readonly compression: Compression
}

export const modelId = 'anthropic.claude-sonnet-4-5-20250929-v1:0'
export const region = 'us-east-1'

export const tokensPerSecond = 60

/** How long an answer takes: the first token, then the others. */
export function serviceMs(outputTokens: number): number {
  return 500 + (outputTokens / tokensPerSecond) * 1_000
}

/** Of others on the same quota, as a part of the refill, where `wrong` is `foreign`. */
export const foreignShare = 0.2

/** What the provider does in truth. */
export function truthOf({ wrong, burstTokens, burndown }: Settings): {
  burstTokens: number
  burndown: number
} {
  return {
    burstTokens: wrong === 'burst' ? burstTokens / 2 : burstTokens,
    burndown: wrong === 'burndown' ? 2 * burndown : burndown,
  }
}

/** The quota that is left for our calls, in tokens a minute. */
export function ourTokensPerMinute({ wrong, tokensPerMinute }: Settings): number {
  return wrong === 'foreign' ? tokensPerMinute * (1 - foreignShare) : tokensPerMinute
}
