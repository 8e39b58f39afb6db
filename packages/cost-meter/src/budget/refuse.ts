/** Refusals in words: what is reached, what is needed, and when to come back. No prompt is quoted. */

import type { ModelRequest } from '@sluice/core'
import { usdText } from '../pricing/usd.ts'
import { type BudgetAmounts, BudgetExceededError } from './budget-exceeded-error.ts'
import type { Standing } from './ledger.ts'
import type { Budget } from './limit.ts'

export function amountsOf({ spent, reserved }: Standing, limit: bigint, needed: bigint): BudgetAmounts {
  return {
    limitUsd: usdText(limit),
    spentUsd: usdText(spent),
    reservedUsd: usdText(reserved),
    neededUsd: usdText(needed),
  }
}

/** A hard limit that has no room. @param retryWithinMs how far off the end of a refusal may be for a 429 */
export function limitReached(
  { modelId }: ModelRequest,
  standing: Standing,
  needed: bigint,
  { nowMs, retryWithinMs }: { readonly nowMs: number; readonly retryWithinMs: number },
): BudgetExceededError {
  const { name, owner, hard = 0n, spent, reserved } = standing
  const amounts = amountsOf(standing, hard, needed)
  const waitMs = standing.roomAtMs(spent + reserved + needed - hard) - nowMs
  const retryAfterMs = needed > hard ? undefined : Math.max(1, waitMs)
  return new BudgetExceededError(
    `The budget "${name}" has a limit of ${amounts.limitUsd} USD: ${amounts.spentUsd} are spent, ` +
      `${amounts.reservedUsd} held by calls that run, and this call to ${modelId} could cost ${amounts.neededUsd}. ` +
      (retryAfterMs === undefined
        ? 'That is more than the whole limit: lower maxTokens, or shorten the prompt.'
        : `There is room again in ${Math.ceil(retryAfterMs / 1_000)} s, at the latest.`),
    {
      reason: 'limit',
      budget: name,
      owner,
      amounts,
      retryAfterMs,
      statusCode: retryAfterMs !== undefined && retryAfterMs <= retryWithinMs ? 429 : 402,
    },
  )
}

/** A hard limit, and nobody knows what the call can cost. */
export function unknownPrice(
  { name, owner }: Budget,
  { modelId }: ModelRequest,
  why: string,
): BudgetExceededError {
  const remedy =
    why === 'no_max_tokens'
      ? 'Set maxTokens on the request'
      : 'Give priceBook() a price in `overrides`, or what stands behind the id in `profiles`'
  return new BudgetExceededError(
    `The budget "${name}" has a hard limit, and what a call to "${modelId}" can cost is not known (${why}): nothing is ` +
      `sent. ${remedy}; or tell budget() the most that such a call can cost: unpriced: { maxCostUsd }.`,
    { reason: 'unpriced', budget: name, owner, statusCode: 500 },
  )
}

export function storeUnreachable({ name, owner }: Budget, cause: unknown): BudgetExceededError {
  return new BudgetExceededError(
    `The account of the budget "${name}" cannot be reached: nothing is sent. To send without an account, at your own ` +
      "expense: onStoreError: 'open'.",
    { reason: 'store', budget: name, owner, statusCode: 503, retryAfterMs: 1_000, cause },
  )
}
