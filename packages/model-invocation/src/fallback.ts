/** Other models for when one cannot answer. */

import { type CallPolicy, type MiddyHooks, policyMiddleware, SluiceError } from '@sluice/core'
import type { CircuitBreaker } from './circuit-breaker.ts'
import {
  answersTo,
  type Candidate,
  entriesOf,
  inLine,
  requestTo,
  type Substitute,
} from './fallback-candidates.ts'

export interface FallbackOptions {
  /** Remembers which models fail, so that they are not asked in vain. See `circuitBreaker()`. Default: none. */
  readonly breaker?: CircuitBreaker
  /** Draws by weight, in [0, 1). */
  readonly random?: () => number
}

/**
 * Asks other models when one cannot answer. A call begins with the model that it names, then the candidates follow in
 * their order; with weights, the order is drawn for each call, and a model is in the draw when the list names it. Every
 * candidate has the retries of its own. Quota, budget and price are those of the model that is asked.
 *
 * When all fail, the last error is thrown; those before it are its `errors`.
 *
 * @throws TypeError when a candidate cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { fallback, modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * const sonnet = bedrock('eu.anthropic.claude-sonnet-4-5-20250929-v1:0', { maxTokens: 300 })
 *
 * export const handler = middy<{ text: string }>()
 *   .use(fallback([{ model: sonnet, maxWaitMs: 500 }, 'eu.amazon.nova-pro-v1:0']))
 *   .use(modelInvocation({ model: sonnet }))
 *   .handler(async ({ text }, { model }) => (await model.invoke(`Summarise: ${text}`)).text)
 * ```
 */
export function fallback(
  candidates: readonly (string | Substitute | Candidate)[],
  { breaker, random = Math.random }: FallbackOptions = {},
): CallPolicy & MiddyHooks {
  const list = entriesOf(candidates)
  const warned = new Set<string>()

  function warn(message: string): void {
    if (warned.has(message) || warned.size >= maxWarnings) return
    warned.add(message)
    process.emitWarning(`fallback: ${message}`, 'SluiceWarning')
  }

  return policyMiddleware<CallPolicy>({
    name: 'fallback',
    stage: 'fallback',
    wrap: (next) =>
      async function fallback(request, context) {
        const errors: unknown[] = []
        let last: unknown
        let open: SluiceError | undefined
        for (const { key, candidate } of inLine(list, request, random)) {
          if (last !== undefined && !answersTo(candidate, last)) continue
          const asked = requestTo(candidate, request)
          if (SluiceError.is(asked)) {
            warn(asked.message)
            errors.push(asked)
            continue
          }
          const pass = await breaker?.admit(key, context)
          if (SluiceError.is(pass)) {
            open ??= pass
            errors.push(pass)
            continue
          }
          try {
            const { maxWaitMs } = candidate
            const response = await next(asked, maxWaitMs === undefined ? context : { ...context, maxWaitMs })
            pass?.end()
            return response
          } catch (error) {
            pass?.end(error)
            if (context.signal.aborted) throw error
            if (isMisconfigured(error)) warn(`${asked.modelId} cannot be asked. ${error.message}`)
            last = error
            errors.push(error)
          }
        }
        throw withEarlier(last ?? open, errors)
      },
  })
}

const maxWarnings = 100

/** A candidate that is there but not for us helps nobody, and would never be noticed. */
function isMisconfigured(error: unknown): error is SluiceError {
  return SluiceError.is(error) && (error.code === 'access_denied' || error.code === 'not_found')
}

/** AggregateError's way to tell what else went wrong, on the error that existing code knows. */
function withEarlier(error: unknown, errors: readonly unknown[]): unknown {
  const earlier = errors.filter((other) => other !== error)
  if (SluiceError.is(error) && earlier.length > 0) {
    Object.defineProperty(error, 'errors', { value: earlier, configurable: true })
  }
  return error
}
