/**
 * The scope of one invocation: its policies, its deadline, its calls. Found through `AsyncLocalStorage`, because a
 * guarded SDK client is called from code that knows nothing of it; never kept in module scope, because Managed
 * Instances interleave invocations.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Attempt } from './attempt.ts'
import type { ModelCall } from './call.ts'
import { type Clock, systemClock } from './clock.ts'
import { ScopeEndedError, SluiceError } from './errors.ts'
import { checkPolicy, type Policy } from './policy.ts'
import { observeHeld } from './statistics.ts'

export interface ScopeOptions {
  /** Shown in records. Default: none. */
  readonly requestId?: string | undefined
  /** When the invocation must be over, in milliseconds since the epoch. Default: never. */
  readonly deadlineMs?: number | undefined
  /** Whose work it is, for quota shares and cost. */
  readonly tenant?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly clock?: Clock | undefined
}

export interface Scope {
  readonly id: string
  readonly requestId: string | undefined
  readonly clock: Clock
  /**
   * When model calls must be over, in milliseconds since the epoch; `Infinity` where there is no end. A middleware may
   * lower it, to leave time for what has to be written afterwards: the drain at the end has until the invocation's own.
   */
  deadlineMs: number
  tenant: string | undefined
  tags: Readonly<Record<string, string>>
  /** Aborts when the scope ends. */
  readonly signal: AbortSignal
  readonly ended: boolean
  /** Adds a policy. Throws when the name is taken or a call has been made: what held for one call holds for all. */
  use(policy: Policy): void
  /** Keeps the invocation open (within its deadline) until `work` has settled. A rejection becomes a warning. */
  hold(work: Promise<unknown>): void
  /** Runs a listener that must not disturb anybody; what it throws becomes a warning. */
  guard(listener: () => void): void
  /**
   * Calls `listener` once, when the scope has ended and what was held has settled or time is up. What it holds then is
   * awaited as well. One that comes after the end is never called.
   */
  onEnd(listener: () => void): void
  /** Refuses new calls, aborts the running ones, awaits what is held. Idempotent: every caller waits for the same drain. */
  end(): Promise<void>
  /** @internal `signal`, for those who are told of the end only while a call of theirs is open. */
  readonly callSignal: AbortSignal
  /** @internal Its own policies and, in a nested handler, those of the handler around it. */
  policies(): readonly Policy[]
  /** @internal The id of a call that begins. */
  callStarted(): string
  /** @internal */
  callEnded(): void
  /** @internal The composed chain; composing seals the list. */
  chain(defaults: readonly Policy[], compose: (policies: readonly Policy[]) => ModelCall): ModelCall
}

interface Frame {
  readonly scope: Scope
  readonly attempt?: Attempt
  /** Of the handler that called this one's, where handlers are nested. */
  readonly outer?: Frame | undefined
}

// Two copies of core in one bundle must meet here. The number is that of the layout of Scope.
const framesKey = Symbol.for('sluice.frames.1')
const holder = globalThis as { [framesKey]?: AsyncLocalStorage<Frame> }
holder[framesKey] ??= new AsyncLocalStorage()
const frames: AsyncLocalStorage<Frame> = holder[framesKey]

/** Where a Middy request keeps its scope: a property, because a weak map is dear to the garbage collector. */
const openedKey = Symbol.for('sluice.opened.1')

interface Opened {
  readonly scope: Scope
  readonly opener: object
}

/** The scope that the running code belongs to; an ended one for a promise that outlived its invocation. */
export function currentScope(): Scope | undefined {
  return currentFrame()?.scope
}

/** A hook cannot leave what it entered: once a nested handler is over, its caller goes on in its own scope. */
function currentFrame(): Frame | undefined {
  let frame = frames.getStore()
  while (frame?.scope.ended && frame.outer) frame = frame.outer
  return frame
}

/** The attempt that the running code is a part of: set only while a provider sends it. */
export function currentAttempt(): Attempt | undefined {
  return frames.getStore()?.attempt
}

/** Runs the sending of an attempt, so that a guard further inside knows it and lets it through. */
export function insideAttempt<Result>(scope: Scope, attempt: Attempt, send: () => Result): Result {
  return frames.run({ scope, attempt }, send)
}

/**
 * Runs `work` in a scope of its own and ends the scope afterwards: for scripts, tests and hosts other than Middy.
 *
 * @example
 * ```ts
 * import { runInScope } from '@sluice/core'
 *
 * await runInScope({ deadlineMs: Date.now() + 10_000 }, async (scope) => {
 *   console.log(scope.id)
 * })
 * ```
 */
export async function runInScope<Result>(
  options: ScopeOptions & { readonly policies?: readonly Policy[] },
  work: (scope: Scope) => Promise<Result> | Result,
): Promise<Result> {
  const scope = createScope(options)
  for (const policy of options.policies ?? []) scope.use(policy)
  try {
    return await frames.run({ scope }, () => work(scope))
  } finally {
    await scope.end()
  }
}

/** @internal The scope of a Middy request; opened, and entered, for the first who asks. */
export function enterScope(request: object, opener: object, options: () => ScopeOptions): Scope {
  const holder = request as { [openedKey]?: Opened }
  if (holder[openedKey]) return holder[openedKey].scope
  const scopeOptions = options()
  const { requestId } = scopeOptions
  const current = currentFrame()
  // The frame of another invocation may be around as well: the runtime asks for the next event inside of the last one.
  const nested = current && !current.scope.ended && requestId && current.scope.requestId === requestId
  const outer = nested ? current : undefined
  const scope = createScope(scopeOptions, outer && `${requestId}/${++lastScope}`, outer?.scope)
  holder[openedKey] = { scope, opener }
  frames.enterWith({ scope, outer })
  return scope
}

/** @internal The scope of a Middy request, for the one who opened it. */
export function openedBy(request: object, opener: object): Scope | undefined {
  const opened = (request as { [openedKey]?: Opened })[openedKey]
  return opened?.opener === opener ? opened.scope : undefined
}

let lastScope = 0

// Objects of a call have no accessors of their own: each would be of a shape of its own to the engine, and slow for all.
const observed = Symbol('observed')

interface OpenScope extends Scope {
  ended: boolean
  /** Whether somebody knows the signal: an abort, and its error, cost more than all else at the end of an invocation. */
  [observed]: boolean
}

const observedSignal: PropertyDescriptor & ThisType<OpenScope> = {
  enumerable: true,
  get() {
    this[observed] = true
    return this.callSignal
  },
}

function createScope(
  { requestId, deadlineMs = Infinity, tenant, tags, clock = systemClock }: ScopeOptions,
  id = requestId ?? `local-${++lastScope}`,
  outer?: Scope,
): Scope {
  const policies: Policy[] = []
  const chains = new Map<readonly Policy[], ModelCall>()
  const held = new Set<Promise<unknown>>()
  const endListeners: (() => void)[] = []
  const controller = new AbortController()
  let calls = 0
  let openCalls = 0
  let ending: Promise<void> | undefined

  function drain(): Promise<void> {
    return new Promise((resolve) => {
      const timeUpMs = deadlineMs - answerMs - clock.now()
      const cancel = deadlineMs === Infinity ? undefined : clock.after(Math.max(0, timeUpMs), resolve)
      async function settle(): Promise<void> {
        while (held.size > 0) await Promise.all(held)
        cancel?.()
        resolve()
      }
      void settle()
    })
  }

  async function finish(): Promise<void> {
    if (held.size > 0) await drain()
    for (const listener of endListeners) scope.guard(listener)
    if (held.size > 0) await drain()
  }

  const scope = {
    id,
    requestId,
    clock,
    deadlineMs: Math.min(deadlineMs, outer?.deadlineMs ?? Infinity),
    tenant: tenant ?? outer?.tenant,
    tags: { ...outer?.tags, ...tags },
    callSignal: controller.signal,
    [observed]: false,
    ended: false,
    policies() {
      return withMissing(policies, outer?.policies() ?? [])
    },
    use(policy) {
      checkPolicy(policy, policies)
      if (chains.size > 0) {
        throw new SluiceError(
          `Policy "${policy.name}" came after the first model call. Put its .use() above whatever made that call.`,
          { code: 'policy_conflict' },
        )
      }
      policies.push(policy)
    },
    hold(work) {
      const sinceMs = clock.now()
      const settled = work.catch(warn).then(() => {
        held.delete(settled)
        // What a sandbox slept over teaches no more than that it did not settle in time.
        observeHeld(Math.min(clock.now(), deadlineMs) - sinceMs)
      })
      held.add(settled)
    },
    guard(listener) {
      try {
        listener()
      } catch (error) {
        warn(error)
      }
    },
    onEnd(listener) {
      endListeners.push(listener)
    },
    end() {
      if (!ending) {
        ending = Promise.resolve()
        // Set first: a listener of the abort that starts a call must be refused.
        scope.ended = true
        if (openCalls > 0 || scope[observed]) {
          controller.abort(
            new ScopeEndedError('The invocation ended while this was running.', { code: 'scope_ended' }),
          )
        }
        // A call that was just told ends in this turn: what is summed up at the end counts it.
        if (openCalls > 0) scope.hold(new Promise((resolve) => setImmediate(resolve)))
        if (held.size > 0 || endListeners.length > 0) ending = finish()
      }
      return ending
    },
    callStarted() {
      openCalls++
      return `${scope.id}:${++calls}`
    },
    callEnded() {
      openCalls--
    },
    chain(defaults, compose) {
      let chain = chains.get(defaults)
      if (!chain) {
        chain = compose(withMissing(scope.policies(), defaults))
        chains.set(defaults, chain)
      }
      return chain
    },
  } as OpenScope
  Object.defineProperty(scope, 'signal', observedSignal)
  return scope
}

/** Adds the policies whose names are not taken. */
function withMissing(policies: readonly Policy[], others: readonly Policy[]): readonly Policy[] {
  return [...policies, ...others.filter((other) => !policies.some(({ name }) => name === other.name))]
}

/** What the drain leaves of the invocation for handing over the answer. */
const answerMs = 20

/** Only the name: the message of somebody else's error may quote a payload. */
function warn(error: unknown): void {
  const name = error instanceof Error ? error.name : typeof error
  process.emitWarning(`A listener or a background task of Sluice failed (${name}).`, 'SluiceWarning')
}
