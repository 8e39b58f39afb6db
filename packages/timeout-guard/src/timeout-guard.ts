/** The middleware that ends model calls before Lambda ends the function. */

import { heldMsP99, type MiddyHooks, type MiddyRequest, type Scope, scopeHooks } from '@sluice/core'
import { attemptPolicy } from './attempt-policy.ts'
import { deadlinePolicy } from './deadline-policy.ts'
import { fitPolicy } from './fit-policy.ts'
import { openInvocation } from './invocation.ts'
import type { TimeoutGuardAction } from './records.ts'

export interface TimeoutGuardOptions {
  /**
   * How long before the end of the invocation model calls must be over, in milliseconds: time to settle, to write
   * metrics, and to answer. Middy's `timeoutEarlyInMillis` must be smaller.
   *
   * @default what settling and writing takes in this sandbox (99 % of it), at least 250, at most a quarter of the invocation
   */
  readonly reserveMs?: number
  /**
   * How long a streamed answer may take to its first content, in milliseconds from sending. It is tried again.
   *
   * @default no limit but the deadline
   */
  readonly firstContentMs?: number
  /**
   * How long a stream may be silent after its first content, in milliseconds; noticed within a quarter more. Time in which
   * nobody reads does not count.
   *
   * @default no limit but the deadline
   */
  readonly idleMs?: number
  /**
   * How long an attempt may take in all, in milliseconds from sending. It is tried again if no content has come.
   *
   * @default no limit but the deadline
   */
  readonly attemptMs?: number
  /**
   * Lowers `maxTokens` of a call to what there is time for, at the speed that was learned, but never below `floor`. For
   * requests of Converse that declare a `maxTokens`.
   *
   * @default never
   */
  readonly fitMaxTokens?: { readonly floor: number }
  /**
   * `observe` changes nothing and tells what it would have done: a warning for the first of each kind, and a record of each
   * on the channel `sluice:timeout-guard`.
   *
   * @default 'enforce'
   */
  readonly mode?: 'enforce' | 'observe' | 'off'
}

/**
 * Ends model calls in time for the invocation to answer, whatever they are at: a wait for quota, a retry, the first token,
 * the middle of a stream. A call that cannot be done in the time that is left is not begun. Such a call rejects, or its
 * stream throws, with a `DeadlineExceededError` that says where the time went.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { timeoutGuard } from '@sluice/timeout-guard'
 *
 * export const handler = middy()
 *   .use(timeoutGuard({ firstContentMs: 5_000, idleMs: 10_000 }))
 *   .handler(async () => 'done')
 * ```
 */
export function timeoutGuard(options: TimeoutGuardOptions = {}): MiddyHooks {
  checkOptions(options)
  const { reserveMs, fitMaxTokens, mode = 'enforce', ...limits } = options
  const floorTokens = fitMaxTokens?.floor ?? Infinity
  const warned = new Set<TimeoutGuardAction>()

  function warn(action: TimeoutGuardAction): void {
    if (warned.has(action)) return
    warned.add(action)
    process.emitWarning(
      `timeoutGuard observes, and would have acted: ${action}. See the channel sluice:timeout-guard.`,
      'SluiceWarning',
    )
  }

  function enter(scope: Scope): void {
    if (mode === 'off') return
    const invocation = openInvocation(scope, reserveMs ?? learnedReserveMs(scope), mode === 'enforce', warn)
    scope.use(deadlinePolicy(invocation, floorTokens))
    if (fitMaxTokens) scope.use(fitPolicy(invocation, floorTokens))
    scope.use(attemptPolicy(invocation, limits))
  }

  const { before, after, onError } = scopeHooks({ name: 'timeoutGuard', enter })
  let checked = mode !== 'enforce'
  return {
    before,
    after,
    onError: function timeoutGuardOnError(request: MiddyRequest) {
      if (!checked) checked = checkEarlyTimeout(request, reserveMs ?? leastReserveMs)
      return onError(request)
    },
  }
}

const leastReserveMs = 250
/** For handing over the answer, after everything is written. */
const answerMs = 50

function learnedReserveMs({ clock, deadlineMs }: Scope): number {
  const neededMs = Math.max(leastReserveMs, (heldMsP99() ?? 0) + answerMs)
  return Math.min(neededMs, Math.max(0, (deadlineMs - clock.now()) / 4))
}

/**
 * Middy does not tell a middleware when its own early time-out comes. That it came before the deadline shows when it does;
 * returns whether it did.
 */
function checkEarlyTimeout(request: MiddyRequest, reserveMs: number): boolean {
  const { error, context } = request as MiddyRequest & {
    readonly error?: { readonly name?: string; readonly cause?: { readonly package?: string } }
    readonly context: { readonly getRemainingTimeInMillis?: () => number }
  }
  if (error?.name !== 'TimeoutError' || error.cause?.package !== '@middy/core') return false
  const leftMs = context.getRemainingTimeInMillis?.() ?? 0
  if (leftMs <= reserveMs) return false
  process.emitWarning(
    `timeoutGuard: Middy timed out ${Math.round(leftMs)} ms before the end, and so before the guard. Make its ` +
      `timeoutEarlyInMillis smaller than reserveMs (${reserveMs}).`,
    'SluiceWarning',
  )
  return true
}

function checkOptions({ fitMaxTokens, mode = 'enforce', ...durations }: TimeoutGuardOptions): void {
  const floor = fitMaxTokens && (fitMaxTokens.floor ?? Number.NaN)
  for (const [option, value] of Object.entries({ ...durations, 'fitMaxTokens.floor': floor })) {
    const least = option === 'reserveMs' ? 0 : 1
    if (value !== undefined && !(Number.isFinite(value) && value >= least)) {
      throw new TypeError(`timeoutGuard: ${option} is ${String(value)}. Give a number of at least ${least}.`)
    }
  }
  if (!['enforce', 'observe', 'off'].includes(mode)) {
    throw new TypeError(`timeoutGuard: mode is ${String(mode)}. Use "enforce", "observe" or "off".`)
  }
}
