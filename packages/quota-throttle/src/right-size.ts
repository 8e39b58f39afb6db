/** Says when a declared maximum of output tokens is far above what answers have, and what that costs. */

import { type ModelRequest, statisticsOf } from '@sluice/core'

/** Answers to have seen before saying anything. */
const leastAttempts = 50
/** How far above the 99th percentile is far. */
const farAbove = 4

/** Warns once for each model and declared maximum, with numbers. */
export function rightSizing(): (request: ModelRequest, declared: number) => void {
  const said = new Set<string>()
  return function rightSize({ baseModelId }, declared) {
    const { attempts, outputTokensP50, outputTokensP99 } = statisticsOf(baseModelId)
    if (attempts < leastAttempts || outputTokensP99 === undefined || declared < farAbove * outputTokensP99)
      return
    const key = `${baseModelId} ${declared}`
    if (said.has(key) || said.size > 100) return
    said.add(key)
    const better = Math.ceil((1.5 * outputTokensP99) / 50) * 50
    process.emitWarning(
      `maxTokens of ${baseModelId} is ${declared}, but of ${attempts} answers half had at most ${outputTokensP50} tokens ` +
        `and 99 % at most ${outputTokensP99}. The quota holds the maximum while a call runs: with maxTokens ${better} ` +
        `it would carry up to ${(declared / better).toFixed(0)} times as many calls at once.`,
      'SluiceWarning',
    )
  }
}
