/** The published quota rule of the service: hold at the start, settle at the end. */

/** The quotas of a model. Several rules may hold for one; each model id has ledgers of its own. */
export interface QuotaRule {
  /** A model id; `*` at its end stands for any rest. @default every model */
  model?: string
  tokensPerMinute?: number
  requestsPerMinute?: number
  tokensPerDay?: number
  /** `bucket` refills all the time, `window` starts again each whole minute. @default 'bucket' */
  shape?: 'bucket' | 'window'
  /** The most tokens a bucket holds. @default tokensPerMinute */
  burstTokens?: number
  /** The most requests a bucket holds. @default requestsPerMinute */
  burstRequests?: number
  /** What an output token weighs at settlement. @default the model's */
  burndown?: number
}

/** What a request asks of its quotas. */
export interface QuotaDemand {
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  maxTokens: number
  burndown: number
}

/** A request that was let in, or the reason why not. */
export interface Hold {
  refused?: 'requests' | 'tokens' | 'daily'
  /** Gives back what was not used; without output tokens, all of it. */
  settle(outputTokens?: number): void
}

/** The quotas in force. */
export interface Quotas {
  admit(modelId: string, demand: QuotaDemand): Hold
  reset(): void
}

export function quotaRules(_rules: readonly QuotaRule[], _now: () => number): Quotas {
  return { admit: () => ({ settle() {} }), reset() {} }
}
