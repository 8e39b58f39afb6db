/** How an attempt and a call ended: what settlement, metering and learning hang on. */

import type { Usage } from './usage.ts'

/**
 * - `answered`: the answer reached its end.
 * - `left`: the caller stopped reading, or never read.
 * - `failed`: an error, before or after content.
 */
export type Status = 'answered' | 'left' | 'failed'

/** Terms of service that change the price, in the provider's own words. What is absent is the default. */
export interface Terms {
  /** `priority`, `flex`, ... */
  readonly serviceTier?: string | undefined
  /** `optimized`, ... */
  readonly latency?: string | undefined
  /** The model that answers, where what is called chooses among several (a prompt router). */
  readonly routedModelId?: string | undefined
}

/** The end of one attempt. Handed exactly once to every policy that took part. */
export interface Outcome {
  readonly status: Status
  /** What is billed, as the provider told it, or as it was seen where `estimated`. */
  readonly usage: Usage
  /** True when the provider did not tell the usage: the attempt was cut, aborted or abandoned. */
  readonly estimated: boolean
  /** Where `estimated`: the most that can have been billed. When AWS stops billing an abandoned call is not documented. */
  readonly atMost?: Usage
  /** What the provider said that it served, else what was asked for. */
  readonly terms?: Terms
  /** True when content was delivered but the answer did not reach its end. */
  readonly partial: boolean
  /** False when a policy refused before anything was sent. */
  readonly sent: boolean
  /** The provider's own word: `end_turn`, `max_tokens`, `tool_use`, ... */
  readonly stopReason?: string
  readonly error?: Error
  /** From the start of the attempt to its end, waiting for quota included. */
  readonly durationMs: number
  /** From sending to the first content. */
  readonly firstContentMs?: number
  /** From sending to the end. */
  readonly serviceMs?: number
}

/** The end of one call: what the caller saw. */
export interface CallOutcome {
  readonly status: Status
  readonly attempts: number
  /** True when the answer came without an attempt of this call, from a cache. */
  readonly cached: boolean
  /** The model of the last attempt: after a fallback another one than the request's. Undefined without an attempt. */
  readonly lastModelId: string | undefined
  /** The provider's own word at the end of the last attempt. */
  readonly stopReason: string | undefined
  /** Sum over the attempts. */
  readonly usage: Usage
  readonly estimated: boolean
  readonly durationMs: number
  /** Milliseconds spent waiting, by reason. */
  readonly waitedMs: Readonly<Record<string, number>>
  readonly error?: Error
}
