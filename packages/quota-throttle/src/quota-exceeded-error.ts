/** The refusal of a throttle: nothing was sent, nothing is billed. */

import { SluiceError } from '@sluice/core'

export type QuotaLimitName = 'tokens' | 'requests' | 'tenant' | 'daily' | 'store'

/** There is no room under a quota, and waiting would not have helped in time. Nothing was sent. */
export class QuotaExceededError extends SluiceError {
  override name = 'QuotaExceededError'
  /**
   * What there was too little of: `tokens` or `requests` of the minute, the tokens of the day (`daily`), the share of
   * this `tenant`; `store`: its ledger cannot be reached and `onStoreError` is `closed`.
   */
  readonly limit: QuotaLimitName
  /** By how much, in tokens or requests, when it was refused. */
  readonly overBy: number

  constructor(
    message: string,
    options: {
      readonly limit: QuotaLimitName
      readonly overBy: number
      readonly retryAfterMs?: number | undefined
      readonly cause?: unknown
    },
  ) {
    const retryable = options.retryAfterMs !== undefined
    super(message, {
      code: 'quota_exceeded',
      retryable,
      retryAfterMs: options.retryAfterMs,
      statusCode: 429,
      unbilled: true,
      cause: options.cause,
    })
    this.limit = options.limit
    this.overBy = options.overBy
  }
}
