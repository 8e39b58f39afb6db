/** How long the answers of a route are, and a word when the declared maximum is far above that. */

import type { ModelRequest } from '@sluice/core'

/** The latest answers of one route and model, as one sandbox has seen them. */
export interface AnswerLengths {
  readonly route: string
  readonly baseModelId: string
  /** Answers that the quantiles are of: the latest, 256 at most. */
  readonly answers: number
  /** Output tokens that 50 % and 99 % of them stayed within. */
  readonly outputTokensP50: number
  readonly outputTokensP99: number
}

export interface RightSizing {
  /** What is known of a route and model; undefined before the first answer. */
  of(route: string, baseModelId: string): AnswerLengths | undefined
  /** Learns from one answer, warns once for each route, model and declared maximum, and returns what is known now. */
  learn(
    route: string,
    request: ModelRequest,
    outputTokens: number,
    declared: number,
  ): AnswerLengths | undefined
}

/** Answers to have seen before saying anything. */
const leastAnswers = 50
/** How far above the 99th percentile is far. */
const farAbove = 4
const latestKept = 256
/** Names of routes can come from users: bounded, the oldest goes first. */
const maxRoutes = 100

export function rightSizing(): RightSizing {
  const routes = new Map<string, Latest>()
  const warned = new Set<string>()

  function of(route: string, baseModelId: string): AnswerLengths | undefined {
    const sorted = routes.get(keyOf(route, baseModelId))?.sorted
    if (!sorted) return undefined
    return {
      ...{ route, baseModelId, answers: sorted.length },
      outputTokensP50: quantile(sorted, 0.5),
      outputTokensP99: quantile(sorted, 0.99),
    }
  }

  function warn({ route, baseModelId, answers, ...lengths }: AnswerLengths, declared: number): void {
    const { outputTokensP50, outputTokensP99 } = lengths
    if (answers < leastAnswers || declared < farAbove * outputTokensP99) return
    const key = `${keyOf(route, baseModelId)} ${declared}`
    if (warned.has(key) || warned.size >= maxRoutes) return
    warned.add(key)
    const better = Math.ceil((1.5 * outputTokensP99) / 50) * 50
    process.emitWarning(
      `maxTokens of ${baseModelId} in ${route} is ${declared}, but of ${answers} answers half had at most ` +
        `${outputTokensP50} tokens and 99 % at most ${outputTokensP99}. The quota holds the maximum while a call runs: ` +
        `with maxTokens ${better} it would carry up to ${(declared / better).toFixed(0)} times as many calls at once.`,
      'SluiceWarning',
    )
  }

  return {
    of,
    learn(route, { baseModelId }, outputTokens, declared) {
      // Embeddings have no answer to make shorter.
      if (outputTokens <= 0) return undefined
      const key = keyOf(route, baseModelId)
      let latest = routes.get(key)
      if (!latest) {
        if (routes.size >= maxRoutes) routes.delete(routes.keys().next().value as string)
        latest = { inOrder: [], next: 0, sorted: [] }
        routes.set(key, latest)
      }
      add(latest, outputTokens)
      const lengths = of(route, baseModelId) as AnswerLengths
      warn(lengths, declared)
      return lengths
    },
  }
}

interface Latest {
  readonly inOrder: number[]
  next: number
  /** The same, kept in order: cheaper than to sort for each answer. */
  readonly sorted: number[]
}

function add(latest: Latest, tokens: number): void {
  const { inOrder, next, sorted } = latest
  const oldest = inOrder[next]
  if (oldest !== undefined) sorted.splice(sorted.indexOf(oldest), 1)
  inOrder[next] = tokens
  latest.next = (next + 1) % latestKept
  const above = sorted.findIndex((each) => each > tokens)
  sorted.splice(above === -1 ? sorted.length : above, 0, tokens)
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] as number
}

function keyOf(route: string, baseModelId: string): string {
  return `${route} ${baseModelId}`
}
