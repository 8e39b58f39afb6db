/** What a budget did, as anybody may watch it: on the channel `sluice:budget`, and the rare as warnings. */

import { channel } from 'node:diagnostics_channel'
import type { BudgetAmounts } from './budget-exceeded-error.ts'

/**
 * Published on the channel `sluice:budget`.
 *
 * - `refused`: a hard limit was reached. In the mode `observe` the call is sent all the same.
 * - `warned`: a soft limit was reached; once for each sandbox, budget, owner and period.
 * - `unpriced`: what the call could cost is not known. Under a hard limit it is refused; elsewhere it is not counted.
 * - `store_failed`: the store did not answer.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import type { BudgetRecord } from '@sluice/cost-meter'
 *
 * subscribe('sluice:budget', (message) => {
 *   const { event, budget, owner, spentUsd } = message as BudgetRecord
 *   if (event === 'warned') console.log(`${owner} has spent ${spentUsd} USD of ${budget}`)
 * })
 * ```
 */
export interface BudgetRecord extends Partial<BudgetAmounts> {
  readonly event: 'refused' | 'warned' | 'unpriced' | 'store_failed'
  readonly mode: 'enforce' | 'observe'
  readonly modelId: string
  readonly tenant: string | undefined
  /** The name of the budget. */
  readonly budget?: string
  /** The tenant, the function, or the value of the tag. */
  readonly owner?: string
  /** Why there is no price. */
  readonly reason?: string
  /** Name of the store's error. */
  readonly errorName?: string
}

const budgetChannel = channel('sluice:budget')

export function publish(record: BudgetRecord): void {
  if (budgetChannel.hasSubscribers) budgetChannel.publish(record)
}

/** Keys can come from users: bounded, the oldest goes first. */
const maxWarned = 1_000

/** Warns about each key once in a sandbox; true when it did. */
export function warnedOnce(): (key: string, message: string) => boolean {
  const keys = new Set<string>()
  return function warnOnce(key, message) {
    if (keys.has(key)) return false
    if (keys.size >= maxWarned) keys.delete(keys.values().next().value as string)
    keys.add(key)
    process.emitWarning(`budget: ${message}`, 'SluiceWarning')
    return true
  }
}
