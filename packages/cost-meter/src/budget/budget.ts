/** The middleware, and the policy of the stage `budget`. */

import { type AttemptPolicy, type MiddyHooks, policyMiddleware } from '@sluice/core'
import type { BudgetStore } from '@sluice/store'
import type { PriceBook } from '../pricing/price-book.ts'
import { keepBudget } from './keep-budget.ts'
import type { BudgetLimit } from './limit.ts'
import type { BudgetMode, BudgetModeReader } from './mode.ts'

export interface BudgetOptions {
  /** What may be spent. All of them hold: a call needs room in each. */
  readonly limits: readonly BudgetLimit[]
  /** Where all sandboxes add up: `dynamoDBBudgetStore()` or `redisBudgetStore()`. */
  readonly store: BudgetStore
  /** What tokens cost. Default: `priceBook()`, the public prices of Bedrock. */
  readonly prices?: PriceBook
  /**
   * The Region whose prices hold.
   *
   * @default process.env.AWS_REGION
   */
  readonly region?: string | undefined
  /**
   * `enforce`; `observe`, which sends everything, counts it, and reports what it would have refused; `off`. A function is
   * asked every 30 s at most: the switch that needs no deployment. While it fails, the mode stays as it was.
   *
   * @default 'enforce'
   */
  readonly mode?: BudgetMode | BudgetModeReader
  /**
   * While the store does not answer: `closed` sends nothing that a hard limit holds for, `open` sends everything, and
   * counts none of it. Soft limits never stop a call.
   *
   * @default 'closed'
   */
  readonly onStoreError?: 'open' | 'closed'
  /**
   * The most that a call can cost, in USD, whose cost is not known beforehand: of a model without a price, or a request
   * without `maxTokens`. So much is reserved for it. Default: under a hard limit such a call is refused.
   */
  readonly unpriced?: { readonly maxCostUsd: number }
  /**
   * By how much the tokens of a prompt may be more than estimated, as a factor.
   *
   * @default 1.2
   */
  readonly inputMargin?: number
  /**
   * A refusal that ends within so many milliseconds has the status 429, any other 402. 0 is always 402, `Infinity` 429
   * whenever waiting helps at all.
   *
   * @default 900_000
   */
  readonly retryWithinMs?: number
}

/**
 * Keeps what is spent within limits, over all sandboxes and functions that share a store. Before an attempt is sent, the
 * most that it can cost is reserved; when it has ended, however it ended, that is replaced by what it has cost. So calls
 * that run at once cannot pass a hard limit together.
 *
 * @throws TypeError when an option cannot be right. Calls throw `BudgetExceededError`
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { budget } from '@sluice/cost-meter'
 * import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'
 *
 * export const handler = middy()
 *   .use(
 *     budget({
 *       limits: [{ per: 'tenant', period: 'month', softUsd: 40, hardUsd: 50 }],
 *       store: dynamoDBBudgetStore({ tableName: 'sluice' }),
 *     }),
 *   )
 *   .handler(async () => 'done')
 * ```
 */
export function budget(options: BudgetOptions): AttemptPolicy & MiddyHooks {
  check(options)
  return policyMiddleware<AttemptPolicy>({ name: 'budget', stage: 'budget', wrap: keepBudget(options) })
}

function check({ store, onStoreError, inputMargin = 1, retryWithinMs = 0 }: BudgetOptions): void {
  if (typeof store?.reserve !== 'function') {
    throw new TypeError("budget: no store. Give one such as dynamoDBBudgetStore({ tableName: 'sluice' }).")
  }
  if (onStoreError !== undefined && onStoreError !== 'open' && onStoreError !== 'closed') {
    throw new TypeError(`budget: onStoreError is "${onStoreError}". Use one of: open, closed.`)
  }
  if (!(Number.isFinite(inputMargin) && inputMargin >= 1)) {
    throw new TypeError(`budget: inputMargin is ${String(inputMargin)}. Give a factor of at least 1.`)
  }
  if (!(retryWithinMs >= 0)) {
    throw new TypeError(`budget: retryWithinMs is ${String(retryWithinMs)}. Give a number from 0.`)
  }
}
