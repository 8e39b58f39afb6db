/** The middleware that puts a model on the handler's context. */

import type middy from '@middy/core'
import { type Policy, scopeHooks } from '@sluice/core'
import type { Context } from 'aws-lambda'
import type { ModelProvider } from './model.ts'

export interface ModelInvocationOptions<Bound extends object, Key extends string> {
  /** Which model, made by a provider such as `bedrock()`. */
  readonly model: ModelProvider<Bound>
  /**
   * Under which name the handler finds it on its context. Use it to have several models.
   *
   * @default 'model'
   */
  readonly contextKey?: Key
  /** Policies to add, for those that are no middleware of their own. */
  readonly policies?: readonly Policy[]
}

/**
 * Gives the handler a model on its context, bound to the invocation: its calls run through every policy of the chain,
 * within the deadline, and end with the invocation.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * export const handler = middy<{ text: string }>()
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 20 }) }))
 *   .handler(async ({ text }, { model }) => {
 *     const answer = await model.invoke(`Answer with one of: question, complaint, praise.\n\n${text}`)
 *     return { label: answer.text }
 *   })
 * ```
 */
export function modelInvocation<Bound extends object, const Key extends string = 'model'>({
  model,
  contextKey = 'model' as Key,
  policies = [],
}: ModelInvocationOptions<Bound, Key>): middy.MiddlewareObj<
  unknown,
  unknown,
  Error,
  Context & { [Name in Key]: Bound }
> {
  if (typeof model?.bind !== 'function') {
    throw new TypeError(
      'modelInvocation: model is no provider. Give one such as bedrock("eu.amazon.nova-lite-v1:0").',
    )
  }
  return scopeHooks({
    name: 'modelInvocation',
    enter(scope, { context }) {
      for (const policy of policies) scope.use(policy)
      Object.assign(context, { [contextKey]: model.bind(scope) })
    },
  }) as never
}
