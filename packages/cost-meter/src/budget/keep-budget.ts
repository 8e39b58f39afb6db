/** What the policy does with each attempt: price its worst case, reserve that, send, settle what it has cost. */

import {
  type AttemptCall,
  type AttemptContext,
  type ModelRequest,
  type Outcome,
  untilAborted,
} from '@sluice/core'
import { reckonedCost, worstCaseOf } from '../cost.ts'
import type { Catalogue } from '../pricing/catalogue.ts'
import { usdText } from '../pricing/usd.ts'
import { publicPrices } from '../public-prices.ts'
import type { BudgetOptions } from './budget.ts'
import { BudgetExceededError } from './budget-exceeded-error.ts'
import { openLedger, type Reserved, type Standing } from './ledger.ts'
import { type Budget, openLimits, picoUsd } from './limit.ts'
import { modeSwitch } from './mode.ts'
import { type BudgetRecord, publish, warnedOnce } from './record.ts'
import { amountsOf, limitReached, storeUnreachable, unknownPrice } from './refuse.ts'

/** The longest that a Lambda invocation lasts. */
const longestMs = 900_000
/** What a settlement may take after the deadline of its attempt. */
const settleMs = 10_000

/** One attempt on its way. */
interface Passage {
  readonly request: ModelRequest
  readonly context: AttemptContext
  readonly mode: BudgetRecord['mode']
  readonly budgets: readonly Budget[]
  /** The first budget that may refuse this call; undefined where none does. */
  readonly hard: Budget | undefined
  readonly catalogue: Catalogue
}

export function keepBudget(options: BudgetOptions): (next: AttemptCall) => AttemptCall {
  const { store, prices = publicPrices(), region = process.env.AWS_REGION, onStoreError = 'closed' } = options
  const { inputMargin = 1.2, retryWithinMs = 900_000, unpriced } = options
  const budgetsOf = openLimits(options.limits)
  const modeNow = modeSwitch(options.mode ?? 'enforce')
  const mostUnpriced = unpriced && picoUsd(unpriced.maxCostUsd, 'unpriced.maxCostUsd')
  const reserve = openLedger(store)
  const warnOnce = warnedOnce()

  function tell(
    { request, context, mode }: Passage,
    record: Omit<BudgetRecord, 'mode' | 'modelId' | 'tenant'>,
  ): void {
    publish({ mode, modelId: request.modelId, tenant: context.scope.tenant, ...record })
  }

  /** The most that it can cost, in picodollars. Undefined when nobody knows, and no hard limit forbids that. */
  function worstOf(passage: Passage): bigint | undefined {
    const { request, context, catalogue, hard } = passage
    const { scope, attempt } = context
    const estimatedInputTokens = Math.ceil(request.estimatedInputTokens * inputMargin)
    const serviceMs = Math.min(longestMs, Math.max(0, scope.deadlineMs - scope.clock.now()))
    const at = { atMs: attempt.startedAtMs, region, serviceMs }
    const worst = worstCaseOf({ ...request, estimatedInputTokens }, at, catalogue)
    if (worst.priced) return BigInt(worst.picoUsd)
    if (mostUnpriced !== undefined) return mostUnpriced
    tell(passage, { event: 'unpriced', reason: worst.reason })
    if (hard) throw unknownPrice(hard, request, worst.reason)
    warnOnce(
      `unpriced ${request.modelId}`,
      `what "${request.modelId}" can cost is not known (${worst.reason}). It is in no sum.`,
    )
    return undefined
  }

  /** What it has cost: at most, where that is not known. */
  function spentOf({ request, context, catalogue }: Passage, outcome: Outcome, worst: bigint): bigint {
    if (!outcome.sent) return 0n
    const at = { atMs: context.attempt.startedAtMs, region }
    const { cost, atMostPicoUsd } = reckonedCost(request, outcome, at, catalogue)
    if (!cost.priced) return worst
    const spent = BigInt(atMostPicoUsd)
    const bounded = !outcome.estimated || cost.atMostUsd !== undefined
    return bounded || spent > worst ? spent : worst
  }

  /** Reserves; settles by itself when the attempt ends, also if it has ended meanwhile. */
  async function hold(passage: Passage, worst: bigint): Promise<void> {
    const { context, budgets, hard } = passage
    const { scope, attempt } = context
    const { clock } = scope
    const expiresAtMs = Math.min(scope.deadlineMs, clock.now() + longestMs) + settleMs
    const held = await reserve({ budgets, amount: worst, enforced: hard !== undefined, expiresAtMs, clock })
    watch(passage, held.standings)
    if (held.refused) {
      tellRefused(passage, held.refused, worst)
      throw limitReached(passage.request, held.refused, worst, { nowMs: clock.now(), retryWithinMs })
    }
    attempt.onEnd((outcome) => settle(passage, held, spentOf(passage, outcome, worst)))
    if (hard) return
    for (const standing of held.standings) {
      // Without what this call holds, it is as a refusal would have found it.
      const before = { ...standing, reserved: standing.reserved - worst }
      if (before.spent + before.reserved + worst > (standing.hard ?? Infinity))
        tellRefused(passage, before, worst)
    }
  }

  function tellRefused(passage: Passage, standing: Standing, worst: bigint): void {
    const { name, owner, hard = 0n } = standing
    tell(passage, { event: 'refused', budget: name, owner, ...amountsOf(standing, hard, worst) })
  }

  async function settle(passage: Passage, held: Reserved, spent: bigint): Promise<void> {
    try {
      watch(passage, await held.settle(spent))
    } catch (error) {
      storeFailed(passage, error, 'What could not be settled counts in full.')
    }
  }

  function watch(passage: Passage, standings: readonly Standing[]): void {
    for (const standing of standings) {
      const { name, owner, soft, spent, span } = standing
      if (soft === undefined || spent < soft) continue
      const amounts = amountsOf(standing, soft, 0n)
      const said = `${amounts.spentUsd} USD are spent of "${name}"${owner && ` of "${owner}"`}, the soft limit is ${usdText(soft)}.`
      if (warnOnce(`soft ${name}#${span.id}#${owner}`, said))
        tell(passage, { event: 'warned', budget: name, owner, ...amounts })
    }
  }

  function storeFailed(passage: Passage, error: unknown, consequence: string): void {
    const errorName = error instanceof Error ? error.name : typeof error
    tell(passage, { event: 'store_failed', errorName })
    warnOnce('store', `the store failed (${errorName}). ${consequence}`)
  }

  async function enter(passage: Passage, worst: bigint): Promise<void> {
    const { scope, signal } = passage.context
    const holding = hold(passage, worst)
    try {
      await untilAborted(holding, signal)
    } catch (error) {
      // Whether it is reserved is not known yet; when it is, it has to be settled.
      if (signal.aborted) scope.hold(holding.catch(() => {}))
      if (signal.aborted || error instanceof BudgetExceededError) throw error
      const open = !passage.hard || onStoreError === 'open'
      storeFailed(
        passage,
        error,
        open ? 'Until it answers again, nothing is counted.' : 'Until it answers again, nothing is sent.',
      )
      if (passage.hard && !open) throw storeUnreachable(passage.hard, error)
    }
  }

  return (next) =>
    async function budget(request, context) {
      const { scope, signal } = context
      const mode = await ready(modeNow(scope.clock), signal)
      if (mode === 'off') return next(request, context)
      const budgets = budgetsOf(scope)
      if (budgets.length === 0) return next(request, context)
      const hard = mode === 'enforce' ? budgets.find(({ hard }) => hard !== undefined) : undefined
      const catalogue = await ready(prices.open(request.modelId), signal)
      const passage = { request, context, mode, budgets, hard, catalogue }
      const worst = worstOf(passage)
      if (worst !== undefined) await enter(passage, worst)
      return next(request, context)
    }
}

/** Only the first calls of a sandbox have to wait. */
function ready<Value>(value: Value | Promise<Value>, signal: AbortSignal): Value | Promise<Value> {
  return value instanceof Promise ? untilAborted(value, signal) : value
}
