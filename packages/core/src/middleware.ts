/** Where the two chains meet: Middy hooks that open the scope of an invocation and end it with the last byte. */

import { endWithBody } from './body.ts'
import type { Clock } from './clock.ts'
import type { Policy } from './policy.ts'
import { currentScope, enterScope, openedBy, runInScope, type Scope, type ScopeOptions } from './scope.ts'

/** What Sluice needs of Middy's request. Structural, so that core needs no Middy. */
export interface MiddyRequest {
  readonly event: unknown
  context: object
  response: unknown
}

/** Hooks as Middy takes them. `before` is synchronous: only so does the scope reach the handler. */
export interface MiddyHooks {
  before(request: MiddyRequest): void
  after(request: MiddyRequest): Promise<void> | void
  onError(request: MiddyRequest): Promise<void> | void
}

export interface ScopeHooksOptions {
  /** Names the hooks for Middy's profiling plugins: `retry` gives `retryBefore`, `retryAfter`, `retryOnError`. */
  readonly name: string
  readonly clock?: Clock | undefined
  /** Called for each invocation with its scope. Must not be asynchronous. */
  enter(scope: Scope, request: MiddyRequest): void
}

/**
 * The hooks of a middleware that lives in the invocation's scope. Whichever middleware comes first opens the scope,
 * and its `after` (the last of them, in Middy's reverse order) or `onError` ends it.
 *
 * @example
 * ```ts
 * import { scopeHooks } from '@sluice/core'
 *
 * export const tenantFromHeader = () =>
 *   scopeHooks({
 *     name: 'tenantFromHeader',
 *     enter(scope, { event }) {
 *       scope.tenant = (event as { headers: Record<string, string> }).headers['x-tenant']
 *     },
 *   })
 * ```
 */
export function scopeHooks({ name, clock, enter }: ScopeHooksOptions): MiddyHooks {
  function end(request: MiddyRequest): Promise<void> | void {
    const scope = openedBy(request, hooks)
    // A streamed answer is read after every hook has run: its scope ends with its last byte.
    if (scope && !endWithBody(request, () => scope.end())) return scope.end()
  }

  const hooks = {
    [`${name}Before`](request: MiddyRequest): void {
      const scope = enterScope(request, hooks, () => scopeOptions(request.context, clock))
      if (openedBy(request, hooks)) onEarlyExit(request, end)
      enter(scope, request)
    },
    [`${name}After`]: end,
    [`${name}OnError`](request: MiddyRequest) {
      return openedBy(request, hooks)?.end()
    },
  }
  Object.defineProperty(end, 'name', { value: `${name}After` })
  return {
    before: hooks[`${name}Before`] as MiddyHooks['before'],
    after: hooks[`${name}After`] as MiddyHooks['after'],
    onError: hooks[`${name}OnError`] as MiddyHooks['onError'],
  }
}

const response = Symbol('response')
const onExit = Symbol('onExit')

interface WatchedRequest extends MiddyRequest {
  [response]: unknown
  [onExit]: ((request: MiddyRequest) => Promise<void> | void) | undefined
}

/** One pair of functions for all requests: with a pair of its own, each would be of a shape of its own to the engine. */
const watchedResponse: PropertyDescriptor & ThisType<WatchedRequest> = {
  configurable: true,
  enumerable: true,
  get() {
    return this[response]
  },
  set(value: unknown) {
    this[response] = value
    const end = this[onExit]
    if (!end || !('earlyResponse' in this)) return
    this[onExit] = undefined
    const ending = end(this)
    // Middy returns it from an async function, and so awaits it.
    if (ending && value !== undefined) this[response] = ending.then(() => value)
  },
}

/**
 * When a hook answers in place of the handler, Middy skips all remaining ones, of which some would have ended the
 * scope. The assignment of the answer is the last that is seen of the request.
 */
function onEarlyExit(request: MiddyRequest, end: (request: MiddyRequest) => Promise<void> | void): void {
  const watched = request as WatchedRequest
  watched[response] = request.response
  watched[onExit] = end
  Object.defineProperty(request, 'response', watchedResponse)
}

/** A policy that is also a Middy middleware: `.use(policy)` adds it to the scope of each invocation. */
export function policyMiddleware<P extends Policy>(policy: P): P & MiddyHooks {
  return { ...policy, ...scopeHooks({ name: policy.name, enter: (scope) => scope.use(policy) }) }
}

/**
 * Runs work in the scope of the invocation that a Lambda context is of: the one that a middleware has opened, else one
 * of its own, which ends with the work. For handlers that make calls and may stand alone.
 *
 * @example
 * ```ts
 * import { runInInvocation } from '@sluice/core'
 *
 * export const handler = (event: { text: string }, context: object) =>
 *   runInInvocation(context, async (scope) => `${scope.requestId}: ${event.text}`)
 * ```
 */
export function runInInvocation<Result>(
  context: object,
  work: (scope: Scope) => Promise<Result>,
): Promise<Result> {
  const options = scopeOptions(context, undefined)
  const current = currentScope()
  // What is found may be of another invocation: the runtime asks for the next event inside of the last one.
  const other = current?.requestId !== undefined && options.requestId !== undefined
  const own = current && !current.ended && (!other || current.requestId === options.requestId)
  return own ? work(current) : runInScope(options, work)
}

interface LambdaContextLike {
  readonly awsRequestId?: string
  readonly tenantId?: string
  readonly getRemainingTimeInMillis?: () => number
  /** Where a durable execution keeps the Lambda's own. */
  readonly lambdaContext?: LambdaContextLike
}

function scopeOptions(context: object, clock: Clock | undefined): ScopeOptions {
  const own = context as LambdaContextLike
  const lambda = own.getRemainingTimeInMillis ? own : (own.lambdaContext ?? own)
  const now = clock?.now() ?? Date.now()
  return {
    requestId: lambda.awsRequestId,
    tenant: lambda.tenantId,
    deadlineMs: lambda.getRemainingTimeInMillis ? now + lambda.getRemainingTimeInMillis() : undefined,
    clock,
  }
}
