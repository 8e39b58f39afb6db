/** Policies: what surrounds every model call, in one fixed order whatever the order of `.use()`. */

import type { AttemptCall, ModelCall } from './call.ts'
import { SluiceError } from './errors.ts'

/** Stages that see the call as its caller does, outermost first. */
export const callStages = ['deadline', 'cache', 'guardrail', 'fallback', 'retry'] as const

/** Stages that see each attempt, when model and price are known, outermost first. The transport lies inside. */
export const attemptStages = ['budget', 'quota', 'attempt', 'meter'] as const

export type CallStage = (typeof callStages)[number]
export type AttemptStage = (typeof attemptStages)[number]
export type Stage = CallStage | AttemptStage

// Every invocation puts its chain together anew.
const stages: readonly Stage[] = [...callStages, ...attemptStages]
const callStagesInnermostFirst = callStages.toReversed()
const attemptStagesInnermostFirst = attemptStages.toReversed()

/** Runs once per call. */
export interface CallPolicy {
  /** Unique in a scope. */
  readonly name: string
  readonly stage: CallStage
  wrap(next: ModelCall): ModelCall
}

/** Runs once per attempt: a retry or a fallback passes it again. */
export interface AttemptPolicy {
  readonly name: string
  readonly stage: AttemptStage
  wrap(next: AttemptCall): AttemptCall
}

/**
 * One concern around every model call.
 *
 * @example
 * ```ts
 * import type { Policy } from '@sluice/core'
 *
 * export const stopwatch: Policy = {
 *   name: 'stopwatch',
 *   stage: 'attempt',
 *   wrap: (next) =>
 *     function stopwatch(request, context) {
 *       context.attempt.onEnd((outcome) => {
 *         console.log(request.modelId, outcome.status, outcome.durationMs)
 *       })
 *       return next(request, context)
 *     },
 * }
 * ```
 */
export type Policy = CallPolicy | AttemptPolicy

/**
 * Composes policies around the innermost call, by stage; within a stage the first one added is the outermost.
 * `boundary` is put between the stages of the call and those of the attempt.
 */
export function compose(
  policies: readonly Policy[],
  boundary: (next: AttemptCall) => ModelCall,
  transport: AttemptCall,
): ModelCall {
  const innermostFirst = policies.toReversed()
  let attempt = transport
  for (const stage of attemptStagesInnermostFirst) {
    for (const policy of innermostFirst) if (policy.stage === stage) attempt = policy.wrap(attempt)
  }
  let call = boundary(attempt)
  for (const stage of callStagesInnermostFirst) {
    for (const policy of innermostFirst) if (policy.stage === stage) call = policy.wrap(call)
  }
  return call
}

/** Refuses what the compiler could not see: a policy without a known stage, or a name that is taken. */
export function checkPolicy(policy: Policy, others: readonly Policy[]): void {
  if (!stages.includes(policy.stage)) {
    throw new TypeError(
      `Policy "${policy.name}" has stage "${policy.stage}". Use one of: ${stages.join(', ')}.`,
    )
  }
  if (others.some((other) => other.name === policy.name)) {
    throw new SluiceError(
      `Two policies are named "${policy.name}". Remove one .use(), or give one of them another name.`,
      { code: 'policy_conflict' },
    )
  }
}
