/** What the meter writes: a record of each attempt, of each call, and of each invocation. Plain JSON, no payload. */

import type { AttemptRecord, CallRecord, Usage } from '@sluice/core'
import type { Cost } from './cost.ts'

/** An attempt that was sent: what is billed. */
export interface AttemptCostRecord extends AttemptRecord {
  readonly kind: 'attempt'
  /** The Region of its price. */
  readonly region?: string | undefined
  readonly cost: Cost
}

/** A call: what its caller saw, and what all of its attempts have cost. */
export interface CallCostRecord extends CallRecord {
  readonly kind: 'call'
  /** Attempts that were sent. `attempts` also counts those that a policy refused. */
  readonly sent: number
  /** True when a quota or a budget refused it before anything was sent. */
  readonly shed: boolean
  readonly cost: CostSum
}

/** An invocation, written once when it is over. */
export interface InvocationCostRecord extends InvocationTotals {
  readonly kind: 'invocation'
  readonly scopeId: string
  readonly requestId: string | undefined
  readonly tenant: string | undefined
  readonly tags: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  /** Of the model calls. */
  readonly cost: CostSum
}

export type CostRecord = AttemptCostRecord | CallCostRecord | InvocationCostRecord

/** A sum over attempts, in exact decimal text. */
export interface CostSum {
  /** Of the attempts that have a price. */
  readonly usd: string
  /** The same with the upper bound of each attempt whose usage is estimated. */
  readonly atMostUsd: string
  /** Attempts without a price, which are not in the sum. Above 0, the true sum is higher. */
  readonly unpriced: number
}

export interface InvocationTotals {
  readonly usage: Usage
  /** Attempts that were sent and have ended. */
  readonly attempts: number
  /** Calls that have ended. */
  readonly calls: number
  /** Calls that were answered from a cache. */
  readonly cached: number
  /** Calls that were refused by a quota or a budget. */
  readonly shed: number
  readonly lambda: LambdaCost
}

/** What the invocation itself has cost so far, without the time of its init. */
export interface LambdaCost {
  /**
   * At the list price, in exact decimal text; without streamed bytes. Undefined where the memory is not known, as outside
   * of Lambda, or the price of the Region is not: see `lambdaRates`.
   */
  readonly usd: string | undefined
  /** The part of it during which a model call was open. */
  readonly waitingUsd: string | undefined
  readonly durationMs: number
  readonly waitingMs: number
}
