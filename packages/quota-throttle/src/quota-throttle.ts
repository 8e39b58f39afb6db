/** The middleware, and the policy of the stage `quota`. */

import type middy from '@middy/core'
import { type AttemptPolicy, type Clock, type ModelRequest, type Scope, scopeHooks } from '@sluice/core'
import type { BudgetStore, QuotaMode, QuotaStore } from '@sluice/store'
import type { Context } from 'aws-lambda'
import type { OnStoreError } from './gate.ts'
import { type ModeFromContext, quotaModes } from './mode-reader.ts'
import type { ModelLimits } from './model-limits.ts'
import { checkQuotas, type QuotaOptions } from './quotas.ts'
import type { QuotaMetrics } from './record.ts'
import type { AnswerLengths } from './right-size.ts'
import { type Invocation, openThrottle } from './throttle.ts'

export interface QuotaThrottleOptions {
  /**
   * What the provider allows, as Service Quotas shows it: for all models alike, or by the head of their ids. A function
   * is called once, by the first call: see `quotasFromServiceQuotas()`.
   */
  readonly quotas: QuotaOptions | (() => Promise<QuotaOptions>)
  /** Where the sandboxes meet: `dynamoDBQuotaStore()` or `redisQuotaStore()`. */
  readonly store?: QuotaStore
  /**
   * How many sandboxes there are at most. Without a store each has this part of the quota; with one it is the least
   * that a sandbox may use while the store does not answer.
   *
   * @default 100 with a store
   */
  readonly sandboxes?: number
  /**
   * Our part of the quota, from 0 to 1, where others use it as well.
   *
   * @default 1
   */
  readonly share?: number
  /**
   * The longest that a call waits, in milliseconds. Waiting costs GB-seconds: give a small one where the source of the
   * work can hold it back itself, as a queue can.
   *
   * @default as long as the invocation's deadline allows
   */
  readonly maxWaitMs?: number
  /**
   * `observe` holds nothing back, and reports what it would have done. A function reads it from the context with each
   * call: `({ quotaMode }) => quotaMode`, for a parameter that Middy's `ssm()` has put there. What is set in the store
   * comes first.
   *
   * @default 'enforce'
   */
  readonly mode?: QuotaMode | ModeFromContext
  /**
   * While the store does not answer: `safe-share` goes on with what this sandbox used in the last minute, `open` lets
   * everything through, `closed` nothing.
   *
   * @default 'safe-share'
   */
  readonly onStoreError?: OnStoreError
  /**
   * Shares of tenants are in proportion to these numbers.
   *
   * @default 1 for each
   */
  readonly weights?: Readonly<Record<string, number>>
  /**
   * Batch work starts when nobody interactive waits.
   *
   * @default 'interactive'
   */
  readonly priority?: 'interactive' | 'batch'
  /**
   * Which answers are of one kind, so that their lengths are learned together. For example
   * `(_request, { tags }) => tags.feature ?? 'other'`.
   *
   * @default the name of the function
   */
  readonly route?: string | ((request: ModelRequest, scope: Scope) => string)
  /** What stands behind ids that hide their model: application inference profiles, provisioned throughput. */
  readonly profiles?: Readonly<Record<string, string>>
  /** What is known better than by the published data, by the head of a base model's id. */
  readonly models?: Readonly<Record<string, Partial<ModelLimits>>>
  /** Where tokens of a day are accounted for. Required with `tokensPerDay`. */
  readonly daily?: BudgetStore
  /** A limit of tokens a day over all models together. */
  readonly tokensPerDayOfAllModels?: number
  /**
   * The account whose quota it is.
   *
   * @default the function's own
   */
  readonly account?: string
  /**
   * The Region that is called.
   *
   * @default the environment's
   */
  readonly region?: string
  /** An instance of Powertools' Metrics of its own; metrics are published at the end of each attempt. */
  readonly metrics?: QuotaMetrics
  readonly clock?: Clock
}

/** What the handler finds on its context, as the last call of the invocation left it. For headers of a response. */
export interface QuotaStatus {
  /** Tokens a minute in force now; undefined before the first call. */
  limit: number | undefined
  /** Tokens that could be taken at once. */
  remaining: number | undefined
  /** Milliseconds that calls of this invocation have waited. */
  waitedMs: number
  /** After a refusal: when to come back, in milliseconds. */
  retryAfterMs: number | undefined
  /** How long the answers of the last call's route are, as this sandbox has seen them; undefined before the first. */
  answers: AnswerLengths | undefined
}

/** The middleware; as a policy it serves scripts and `modelInvocation({ policies })`. */
export type QuotaThrottle = middy.MiddlewareObj<unknown, unknown, Error, Context & { quota: QuotaStatus }>

/**
 * Keeps all sandboxes of a function, and all functions that share a store, under the quota of a model: it holds and
 * settles what the provider does, by the provider's own rule, before the provider has to refuse. A call that does not
 * fit waits for its turn, within the deadline; one that has no hope is refused at once.
 *
 * @throws TypeError when an option cannot be right. Calls throw `QuotaExceededError`
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { quotaThrottle } from '@sluice/quota-throttle'
 * import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
 *
 * export const handler = middy()
 *   .use(
 *     quotaThrottle({
 *       quotas: { tokensPerMinute: 200_000 },
 *       store: dynamoDBQuotaStore({ tableName: 'sluice' }),
 *     }),
 *   )
 *   .handler(async () => 'done')
 * ```
 */
export function quotaThrottle(options: QuotaThrottleOptions): AttemptPolicy & QuotaThrottle {
  check(options)
  const throttle = openThrottle(options)
  // The first call needs the connection; init has the time for it.
  void options.store?.open?.().catch(() => {})

  function policyFor(invocation: Invocation): AttemptPolicy {
    return {
      name: 'quota',
      stage: 'quota',
      wrap: (next) =>
        function quotaThrottle(request, context) {
          return throttle(next, request, context, invocation)
        },
    }
  }

  const hooks = scopeHooks({
    name: 'quotaThrottle',
    clock: options.clock,
    enter(scope, { context }) {
      const status = newStatus()
      const { invokedFunctionArn = '' } = context as Partial<Context>
      Object.assign(context, { quota: status })
      const account = options.account ?? (invokedFunctionArn.split(':')[4] || 'default')
      scope.use(policyFor({ account, status, around: context }))
    },
  })
  return {
    ...policyFor({ account: options.account ?? 'default', status: newStatus(), around: {} }),
    ...(hooks as QuotaThrottle),
  }
}

function newStatus(): QuotaStatus {
  return { limit: undefined, remaining: undefined, waitedMs: 0, retryAfterMs: undefined, answers: undefined }
}

function check({ quotas, store, sandboxes, share = 1, weights = {}, ...rest }: QuotaThrottleOptions): void {
  if (typeof quotas !== 'function') checkQuotas('quotaThrottle: quotas', quotas)
  if (!store && sandboxes === undefined && process.env.AWS_LAMBDA_FUNCTION_NAME) {
    throw new TypeError(
      'quotaThrottle: no store. Sandboxes that know nothing of each other would each use the whole quota: give a store ' +
        "such as dynamoDBQuotaStore({ tableName: 'sluice' }), or sandboxes: the reserved concurrency of the function.",
    )
  }
  if (sandboxes !== undefined && !(Number.isInteger(sandboxes) && sandboxes > 0)) {
    throw new TypeError(`quotaThrottle: sandboxes is ${String(sandboxes)}. Give an integer above 0.`)
  }
  if (!(share > 0 && share <= 1)) {
    throw new TypeError(`quotaThrottle: share is ${String(share)}. Give a number above 0, and at most 1.`)
  }
  if (rest.maxWaitMs !== undefined && !(rest.maxWaitMs >= 0)) {
    throw new TypeError(`quotaThrottle: maxWaitMs is ${String(rest.maxWaitMs)}. Give a number of at least 0.`)
  }
  for (const [tenant, weight] of Object.entries(weights)) {
    if (!(Number.isFinite(weight) && weight > 0)) {
      throw new TypeError(`quotaThrottle: weights.${tenant} is ${String(weight)}. Give a number above 0.`)
    }
  }
  if (typeof rest.mode !== 'function') oneOf('mode', rest.mode, quotaModes)
  oneOf('onStoreError', rest.onStoreError, ['safe-share', 'open', 'closed'])
  oneOf('priority', rest.priority, ['interactive', 'batch'])
  const perDay = typeof quotas === 'object' && JSON.stringify(quotas).includes('"tokensPerDay"')
  if ((perDay || rest.tokensPerDayOfAllModels !== undefined) && !rest.daily) {
    throw new TypeError(
      'quotaThrottle: tokens per day need an account that loses nothing. Give daily: dynamoDBBudgetStore({ tableName }).',
    )
  }
}

function oneOf(option: string, value: string | undefined, known: readonly string[]): void {
  if (value !== undefined && !known.includes(value)) {
    throw new TypeError(`quotaThrottle: ${option} is "${value}". Use one of: ${known.join(', ')}.`)
  }
}
