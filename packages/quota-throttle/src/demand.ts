/** What one attempt takes of a quota: the provider's own rule, in tokens. */

import { type ModelRequest, type Outcome, statisticsOf } from '@sluice/core'
import type { ModelLimits } from './model-limits.ts'

export interface Demand {
  /**
   * Held at the start: the prompt, with what is read from and written to a cache, and the most the answer can have; more
   * where an answer of the usual length will be charged for more.
   */
  readonly tokens: number
  /** What will probably be charged in the end. */
  readonly expectedTokens: number
}

/**
 * The hold of an attempt. The prompt is estimated; the estimate learns from every answer of the model.
 *
 * @throws TypeError when neither the request nor the data tell how long the answer can be
 */
export function demandOf(request: ModelRequest, limits: ModelLimits): Demand {
  const { estimatedInputTokens, maxTokens = limits.maxTokens } = request
  if (maxTokens === undefined) {
    throw new TypeError(
      `quotaThrottle: the request to ${request.modelId} declares no maximum of output tokens, and that of the model ` +
        `is not known. Set maxTokens, or give models: { '${request.baseModelId}': { maxTokens } }.`,
    )
  }
  const { outputTokensP50, outputTokensP99 = maxTokens } = statisticsOf(request.baseModelId)
  // Between the two: most answers are shorter, but it is the long ones that cost. A cold sandbox expects no debt.
  const output =
    outputTokensP50 === undefined
      ? maxTokens / 2 / limits.burndown
      : Math.min(maxTokens, outputTokensP50 + (outputTokensP99 - outputTokensP50) / 8)
  const expectedTokens = estimatedInputTokens + Math.ceil(output * limits.burndown)
  // The provider holds output at face value and charges it weighed. What will probably be a debt is held from the
  // start: others may be let in, or told when to start, before it is known.
  return { tokens: Math.max(estimatedInputTokens + maxTokens, expectedTokens), expectedTokens }
}

/**
 * What the provider charges in the end: cache reads are free, output counts `burndown` times. An answer that was given up
 * has been written all the time, also where nothing of it was seen: so much as the model writes in that time.
 */
export function settlementOf(
  { sent, usage, atMost, serviceMs = 0 }: Outcome,
  { burndown }: ModelLimits,
  tokensPerSecond = 60,
): number {
  if (!sent) return 0
  const written = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  const unseen = atMost ? Math.min(atMost.outputTokens, Math.ceil((serviceMs / 1_000) * tokensPerSecond)) : 0
  return usage.inputTokens + written + Math.max(usage.outputTokens, unseen) * burndown
}
