/** What a model is expected to need, by what this sandbox has learned of it. */

import { type ModelRequest, statisticsOf } from '@sluice/core'

/**
 * Milliseconds from sending to the end of an answer of usual length, or of `atMostTokens`; 0 for a model that nothing is
 * known of.
 */
export function expectedServiceMs(
  { baseModelId, maxTokens = Infinity }: ModelRequest,
  atMostTokens: number,
): number {
  const { firstContentMs = 0, outputTokensP50 = 0, tokensPerSecond = Infinity } = statisticsOf(baseModelId)
  const tokens = Math.min(outputTokensP50, maxTokens, atMostTokens)
  return Math.round(firstContentMs + (tokens / tokensPerSecond) * 1000)
}

/** How many tokens a model can write within a time; undefined for one that nothing is known of. */
export function tokensWithin({ baseModelId }: ModelRequest, durationMs: number): number | undefined {
  const { firstContentMs = 0, tokensPerSecond } = statisticsOf(baseModelId)
  return tokensPerSecond && Math.floor(((durationMs - firstContentMs) / 1000) * tokensPerSecond)
}
