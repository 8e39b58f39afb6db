/** The refusal of a budget: nothing was sent, nothing is billed. */

import { SluiceError } from '@sluice/core'

/**
 * Why nothing was sent: the `limit` is reached; the model is `unpriced`, or its request has no `maxTokens`; the `store`
 * cannot be reached and `onStoreError` is `closed`.
 */
export type BudgetReason = 'limit' | 'unpriced' | 'store'

/** A call could take a sum above its hard limit, so it was not sent. */
export class BudgetExceededError extends SluiceError {
  override name = 'BudgetExceededError'
  readonly reason: BudgetReason
  /** The name of the budget. */
  readonly budget: string
  /** The tenant, the function, or the value of the tag. */
  readonly owner: string
  /** Of the amounts, in exact decimal text. Absent where the sums were not asked for. */
  readonly limitUsd?: string
  readonly spentUsd?: string
  /** Held by calls that run. */
  readonly reservedUsd?: string
  /** The most that this call could cost. */
  readonly neededUsd?: string

  constructor(
    message: string,
    options: {
      readonly reason: BudgetReason
      readonly budget: string
      readonly owner: string
      readonly statusCode: number
      readonly amounts?: BudgetAmounts
      readonly retryAfterMs?: number | undefined
      readonly cause?: unknown
    },
  ) {
    const { reason, budget, owner, statusCode, amounts, retryAfterMs, cause } = options
    super(message, {
      code: 'budget_exceeded',
      retryable: retryAfterMs !== undefined,
      retryAfterMs,
      statusCode,
      unbilled: true,
      cause,
    })
    Object.assign(this, amounts)
    this.reason = reason
    this.budget = budget
    this.owner = owner
  }
}

/** In exact decimal text. */
export interface BudgetAmounts {
  readonly limitUsd: string
  readonly spentUsd: string
  readonly reservedUsd: string
  readonly neededUsd: string
}
