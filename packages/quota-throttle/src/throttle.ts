/** What the policy does with each attempt: hold, wait or refuse, send, settle, learn. */

import {
  type AttemptCall,
  type AttemptContext,
  type ModelRequest,
  type Outcome,
  statisticsOf,
  systemClock,
} from '@sluice/core'
import { type Admission, admit } from './admission.ts'
import { type DailyLimit, dailyTokens } from './daily-tokens.ts'
import { type Demand, demandOf, settlementOf } from './demand.ts'
import { type Lane, openLane } from './lane.ts'
import { ledgerKey } from './ledger-key.ts'
import { modeReader } from './mode-reader.ts'
import { type ModelLimits, modelLimits } from './model-limits.ts'
import { QuotaExceededError } from './quota-exceeded-error.ts'
import type { QuotaStatus, QuotaThrottleOptions } from './quota-throttle.ts'
import { checkQuotas, type QuotaOptions, type Quotas, quotasOf } from './quotas.ts'
import { isWatched, publish, type QuotaRecord } from './record.ts'
import { type Refused, refusal } from './refusal.ts'
import { rightSizing } from './right-size.ts'

/** What one invocation adds. */
export interface Invocation {
  readonly account: string
  readonly status: QuotaStatus
  /** Its Lambda context, with what other middlewares have put there. */
  readonly around: object
}

export type Throttle = (
  next: AttemptCall,
  request: ModelRequest,
  context: AttemptContext,
  invocation: Invocation,
) => ReturnType<AttemptCall>

export function openThrottle(options: QuotaThrottleOptions): Throttle {
  const { share = 1, store, onStoreError = 'safe-share', metrics } = options
  const { sandboxes = store ? 100 : 1, clock = systemClock, profiles = {}, models = {} } = options
  const region = options.region ?? process.env.AWS_REGION ?? 'default'
  const { route: ofRoute = process.env.AWS_LAMBDA_FUNCTION_NAME ?? 'default' } = options
  const daily = options.daily && dailyTokens(options.daily, clock)
  const sizes = rightSizing()
  const modeIn = modeReader(options.mode ?? 'enforce')
  const lanes = new Map<string, Lane>()
  let loading: Promise<QuotaOptions> | undefined
  let warned = false

  async function load(read: () => Promise<QuotaOptions>): Promise<QuotaOptions> {
    try {
      loading ??= read()
      const loaded = await loading
      checkQuotas('quotaThrottle: quotas', loaded)
      return loaded
    } catch (error) {
      // The failure is that of the calls that waited for it; the next one tries again.
      loading = undefined
      throw error
    }
  }

  function storeFailed(key: string, error: unknown): void {
    const errorName = error instanceof Error ? error.name : typeof error
    publish({ event: 'store_failed', key, mode: 'enforce', errorName }, metrics)
    if (warned) return
    warned = true
    const message = `quotaThrottle: the store failed (${errorName}). Until it answers again: ${onStoreError}.`
    process.emitWarning(message, 'SluiceWarning')
  }

  function laneOf(key: string, quotas: Quotas): Lane {
    let lane = lanes.get(key)
    if (!lane) {
      // Ids can come from users: bounded, the oldest goes first.
      if (lanes.size >= maxLanes) lanes.delete(lanes.keys().next().value as string)
      const shared = { key, quotas, share, store, sandboxes, onStoreError, clock }
      lane = openLane({ ...shared, onStoreFailure: (error) => storeFailed(key, error) })
      lanes.set(key, lane)
    }
    return lane
  }

  function daysOf(key: string, { tokensPerDay }: Quotas, account: string): DailyLimit[] {
    const all = options.tokensPerDayOfAllModels
    return [
      { key, tokensPerDay },
      { key: `${account}/${region}/all-models`, tokensPerDay: all },
    ].flatMap((limit) =>
      limit.tokensPerDay === undefined
        ? []
        : [{ key: limit.key, tokensPerDay: Math.floor(limit.tokensPerDay * share) }],
    )
  }

  /** Leave to send, or the error that says when to come back. Settles, and learns, when the attempt ends. */
  async function enter(passage: Passage): Promise<void> {
    const { lane, request, context, demand, limits, days, status, observing } = passage
    const { attempt, scope } = context
    const blockedMs = await lane.blockedForMs()
    if (blockedMs > 0) refuse(passage, { limit: 'daily', waitMs: blockedMs, overBy: demand.tokens })
    const expected = (demand.expectedTokens - request.estimatedInputTokens) / limits.burndown
    const serviceMs = serviceMsOf(request, expected)
    const leftMs = scope.deadlineMs - scope.clock.now()
    const longMs = longServiceMs(request, expected, leftMs)
    const maxWaitMs = Math.min(options.maxWaitMs ?? Infinity, context.maxWaitMs ?? Infinity, leftMs - longMs)
    const admission = await admit(
      {
        gate: lane.gate,
        demand,
        asker: {
          tenant: passage.tenant,
          weight: options.weights?.[passage.tenant] ?? 1,
          priority: options.priority ?? 'interactive',
        },
        maxWaitMs: Math.min(Math.max(0, maxWaitMs), longestWaitMs),
        leaseMs: Math.min(60_000, 1.5 * serviceMs + 1_000),
        force: observing,
      },
      context,
    )
    const { waitedMs, refused, stuck } = admission
    if (waitedMs > 0) context.call.waited('quota', waitedMs)
    status.waitedMs += waitedMs
    status.limit = lane.gate.limits.tokens?.perMinute
    status.remaining = Math.max(0, lane.gate.balanceTokens ?? 0)
    if (refused) refuse(passage, refused, { stuck, waitedMs })
    let settleDay: ((used: number) => Promise<void>) | undefined
    attempt.onEnd((outcome) => leave(passage, admission, outcome, settleDay))
    // Blocked only since it has asked: what was told with the answer.
    const lateMs = (lane.gate.view?.belief.blockedUntilMs ?? 0) - scope.clock.now()
    if (lateMs > 0 && !lane.probing)
      refuse(passage, { limit: 'daily', waitMs: lateMs, overBy: demand.tokens })
    if (daily && days.length > 0 && !observing) {
      const expiresAtMs = Math.min(scope.deadlineMs, scope.clock.now() + longestWaitMs)
      settleDay = await daily.reserve(days, admission.id, demand.tokens, expiresAtMs)
    }
    watch(passage, maxWaitMs, waitedMs)
  }

  function refuse(passage: Passage, refused: Refused, more: Partial<QuotaRecord> = {}): void {
    const { limit, waitMs, overBy } = refused
    const retryAfterMs = waitMs === Infinity ? undefined : Math.ceil(waitMs)
    tell(passage, 'shed', { limit, retryAfterMs, ...more })
    if (passage.observing) return
    passage.status.retryAfterMs = retryAfterMs
    throw new QuotaExceededError(refusal(passage.request, passage.demand, refused), {
      limit,
      overBy,
      retryAfterMs,
    })
  }

  /** Who only watches was let in whatever there was: the balance tells what would have become of it. */
  function watch(passage: Passage, maxWaitMs: number, waitedMs: number): void {
    const { lane, observing, demand } = passage
    if (!observing) {
      tell(passage, 'admitted', { waitedMs })
      return
    }
    const short = Math.max(0, -(lane.gate.balanceTokens ?? 0))
    const waitMs = (short * 60_000) / (lane.gate.limits.tokens?.perMinute ?? Infinity)
    if (waitMs <= maxWaitMs) tell(passage, 'admitted', { waitedMs: waitMs })
    else refuse(passage, { limit: 'tokens', waitMs, overBy: Math.min(short, demand.tokens) })
  }

  async function leave(
    passage: Passage,
    admission: Admission,
    outcome: Outcome,
    settleDay: ((used: number) => Promise<void>) | undefined,
  ): Promise<void> {
    const { lane, request, demand, limits, route, status } = passage
    if (outcome.status === 'answered' && outcome.sent && !outcome.estimated) {
      const declared = request.maxTokens ?? limits.maxTokens ?? 0
      status.answers = sizes.learn(route, request, outcome.usage.outputTokens, declared)
    }
    const { tokensPerSecond } = statisticsOf(request.baseModelId)
    const used = settlementOf(outcome, limits, tokensPerSecond)
    const refusedByProvider = outcome.sent && lane.isRefusal(outcome.error)
    // In one moment, so that they make one operation of the store.
    const [learned] = await Promise.all([
      outcome.sent ? lane.learn(outcome.error, demand.tokens, outcome.durationMs) : undefined,
      // What it refused stays charged: given back, a ledger that is ahead of the provider would stay ahead, and every call
      // that it lets in too early would be refused. So each refusal takes it back by one call.
      admission.settle(refusedByProvider ? demand.tokens : used, outcome.sent),
      settleDay?.(used),
    ])
    if (learned) tell(passage, learned)
  }

  function tell(
    { lane, tenant, route, request, demand, observing }: Passage,
    event: QuotaRecord['event'],
    more: Partial<QuotaRecord> = {},
  ): void {
    if (!isWatched(metrics)) return
    const { view } = lane.gate
    const { outputTokensP50, outputTokensP99 } = sizes.of(route, request.baseModelId) ?? {}
    publish(
      {
        event,
        key: lane.key,
        mode: observing ? 'observe' : 'enforce',
        tenant,
        route,
        outputTokensP50,
        outputTokensP99,
        tokens: demand.tokens,
        balanceTokens: lane.gate.balanceTokens,
        believedRate: view && view.belief.ratePermille / 1000,
        ...more,
      },
      metrics,
    )
  }

  return async function throttle(next, request, context, { account, status, around }) {
    const { key, baseModelId } = ledgerKey(request, { account, region, profiles })
    const all = typeof options.quotas === 'function' ? await load(options.quotas) : options.quotas
    const quotas = quotasOf(all, baseModelId)
    if (!quotas) return next(request, context)
    const lane = laneOf(key, quotas)
    const inForce = lane.mode(modeIn(around))
    if (inForce === 'off') return next(request, context)
    const limits = modelLimits(baseModelId, models)
    await enter({
      ...{ lane, request, context, limits, status },
      demand: demandOf(request, limits),
      days: daily ? daysOf(key, quotas, account) : [],
      tenant: context.scope.tenant ?? 'default',
      route: typeof ofRoute === 'function' ? ofRoute(request, context.scope) : ofRoute,
      observing: inForce === 'observe',
    })
    return next(request, context)
  }
}

const maxLanes = 64
/** The longest that a Lambda invocation lasts. */
const longestWaitMs = 900_000

/** One attempt on its way. */
interface Passage {
  readonly lane: Lane
  readonly request: ModelRequest
  readonly context: AttemptContext
  readonly limits: ModelLimits
  readonly demand: Demand
  readonly days: readonly DailyLimit[]
  readonly tenant: string
  readonly route: string
  readonly status: QuotaStatus
  readonly observing: boolean
}

/** How long an answer takes, as far as it has been learned. */
function serviceMsOf({ baseModelId }: ModelRequest, outputTokens: number): number {
  const { firstContentMs = 1_000, tokensPerSecond = 60 } = statisticsOf(baseModelId)
  return firstContentMs + (outputTokens / tokensPerSecond) * 1_000
}

/**
 * The time that a wait leaves for the answer. Who starts too late is cut by the deadline and charged all the same, and when
 * there is too little for all, whoever waits starts as late as it may. So it is time for nearly every answer, as long as
 * that leaves half of the time to wait; for about nine in ten, where it does not; for what is expected, where nothing has
 * been learned.
 */
function longServiceMs(request: ModelRequest, expected: number, leftMs: number): number {
  const { baseModelId, maxTokens = Infinity } = request
  const { outputTokensP50, outputTokensP99 } = statisticsOf(baseModelId)
  if (outputTokensP50 === undefined || outputTokensP99 === undefined) return serviceMsOf(request, expected)
  const timeFor = (tokens: number) => serviceMsOf(request, Math.max(expected, Math.min(maxTokens, tokens)))
  const nearlyEvery = timeFor(1.5 * outputTokensP99)
  return Math.max(timeFor((outputTokensP50 + outputTokensP99) / 2), Math.min(nearlyEvery, leftMs / 2))
}
