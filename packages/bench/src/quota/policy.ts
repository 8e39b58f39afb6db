/** One way to live with a quota. Adding one is a line here and a file that exports `openSandbox`. */

import type { BedrockRuntimeClient, BedrockRuntimeClientConfig } from '@aws-sdk/client-bedrock-runtime'
import type { QuotaStore } from '@sluice/store'
import type { CompressedClock } from './compressed-time.ts'
import type { RedisClient } from './redis-client.ts'
import type { Arrival } from './schedule.ts'
import type { Settings } from './settings.ts'
import type { WindowCounters } from './window-counters.ts'

/** One call that a sandbox is given. */
export interface Work extends Arrival {
  readonly tenantName: string
  /** When it must be answered, in milliseconds since the epoch. */
  readonly deadlineMs: number
  /** Aborts then. */
  readonly signal: AbortSignal
}

/** What a sandbox finds: its own clients and its own line to the store, which dies with it. */
export interface Surroundings {
  readonly settings: Settings
  /** Of this run alone: what the keys of its ledgers begin with. */
  readonly account: string
  readonly clock: CompressedClock
  client(config?: BedrockRuntimeClientConfig): BedrockRuntimeClient
  readonly quotaStore: QuotaStore
  readonly counters: WindowCounters
  /** Undefined with another store. Whoever uses it counts its own requests with `requested`. */
  readonly redis: RedisClient | undefined
  requested(): void
}

/** Resolves when the call was answered; rejects when it was refused, here or there. */
export type Call = (work: Work) => Promise<void>

export type OpenSandbox = (surroundings: Surroundings) => Call

export const policyModules = {
  sluice: './policies/sluice.ts',
  'sdk-standard': './policies/sdk-standard.ts',
  'sdk-adaptive': './policies/sdk-adaptive.ts',
  'fixed-window': './policies/fixed-window.ts',
  reserve: './policies/reserve.ts',
  'reserve-5': './policies/reserve-5.ts',
  'rate-limiter-flexible': './policies/rate-limiter-flexible.ts',
} as const

export type PolicyName = keyof typeof policyModules

export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policyModules, name)
}

/** A limiter sent the call away, because it would not have been let in within its deadline. */
export class ShedError extends Error {
  override name = 'ShedError'
}
