/** The one retry loop of a call. */

import { type CallPolicy, type MiddyHooks, policyMiddleware, SluiceError, sleep } from '@sluice/core'

export interface RetryOptions {
  /**
   * Attempts in all, the first included.
   *
   * @default 3
   */
  readonly maxAttempts?: number
  /**
   * Which failures are tried again.
   *
   * @default errors whose `retryable` is true, but no refusal by our own throttle, which has already waited, or by a budget
   */
  readonly retryOn?: (error: unknown) => boolean
  /**
   * Base of the exponential backoff for transient failures, in milliseconds.
   *
   * @default 50
   */
  readonly baseDelayMs?: number
  /**
   * Base of the exponential backoff for throttles, in milliseconds.
   *
   * @default 1000
   */
  readonly throttledBaseDelayMs?: number
  /**
   * Upper bound of a backoff, in milliseconds. A longer hint of the provider is honoured, up to 5 s more than the backoff.
   *
   * @default 20000
   */
  readonly maxDelayMs?: number
  /**
   * Retry tokens of the sandbox: a retry takes 14 of them (5 when throttled), an answer gives them back. When a
   * provider is down, this stops every sandbox from multiplying the load.
   *
   * @default 500
   */
  readonly budgetTokens?: number
  /** Source of the jitter, in [0, 1). */
  readonly random?: () => number
}

/**
 * Tries again what may succeed later, as the AWS SDK does by default: three attempts, full jitter, a retry budget per
 * sandbox, hints of the provider honoured. Unlike the SDK's it sees failures inside a stream (while no content was
 * delivered), and it never waits past the invocation's deadline: the error comes back at once instead.
 *
 * A guarded client has this by default; use it to change the numbers.
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { retry } from '@sluice/model-invocation'
 *
 * export const handler = middy()
 *   .use(retry({ maxAttempts: 5 }))
 *   .handler(async () => 'done')
 * ```
 */
export function retry({
  maxAttempts = 3,
  retryOn = isRetryable,
  baseDelayMs = 50,
  throttledBaseDelayMs = 1000,
  maxDelayMs = 20_000,
  budgetTokens = 500,
  random = Math.random,
}: RetryOptions = {}): CallPolicy & MiddyHooks {
  checkNumber('maxAttempts', maxAttempts, 1)
  checkNumber('baseDelayMs', baseDelayMs, 0)
  checkNumber('throttledBaseDelayMs', throttledBaseDelayMs, 0)
  checkNumber('maxDelayMs', maxDelayMs, 0)
  checkNumber('budgetTokens', budgetTokens, 0)
  // Of the sandbox on purpose: a budget of each invocation would not see that the provider is down.
  let tokens = budgetTokens

  function delayMs(attempt: number, error: unknown): number {
    const base = isThrottle(error) ? throttledBaseDelayMs : baseDelayMs
    const backoff = Math.floor(random() * Math.min(base * 2 ** (attempt - 1), maxDelayMs))
    const hint = SluiceError.is(error) ? (error.retryAfterMs ?? 0) : 0
    return Math.max(backoff, Math.min(hint, backoff + 5000))
  }

  return policyMiddleware<CallPolicy>({
    name: 'retry',
    stage: 'retry',
    wrap: (next) =>
      async function retry(request, context) {
        const { clock, deadlineMs } = context.scope
        let spent = 0
        let patienceMs = context.maxWaitMs ?? Infinity
        for (let attempt = 1; ; attempt++) {
          try {
            const response = await next(
              request,
              patienceMs === Infinity ? context : { ...context, maxWaitMs: patienceMs },
            )
            tokens = Math.min(budgetTokens, tokens + (spent || 1))
            return response
          } catch (error) {
            if (context.signal.aborted || attempt >= maxAttempts || !retryOn(error)) throw error
            const cost = isThrottle(error) ? 5 : 14
            const waitMs = delayMs(attempt, error)
            if (tokens < cost || waitMs > patienceMs || clock.now() + waitMs >= deadlineMs) throw error
            tokens -= cost
            patienceMs -= waitMs
            spent = cost
            await sleep(clock, waitMs, context.signal)
            context.call.waited('retry', waitMs)
          }
        }
      },
  })
}

function isRetryable(error: unknown): boolean {
  return SluiceError.is(error) && error.retryable && !ownRefusals.has(error.code)
}

/** Of our own throttle, which has already waited, and of budgets, of which time alone makes no more. */
const ownRefusals: ReadonlySet<string> = new Set(['quota_exceeded', 'budget_exceeded'])

function isThrottle(error: unknown): boolean {
  return SluiceError.is(error) && error.code === 'throttled'
}

function checkNumber(option: string, value: number, least: number): void {
  if (!(Number.isFinite(value) && value >= least)) {
    throw new TypeError(`retry: ${option} is ${String(value)}. Give a number of at least ${least}.`)
  }
}
