/** Token usage in the buckets that prices and quotas tell apart. Disjoint: no token is in two buckets. */

export interface Usage {
  /** Prompt tokens that were neither read from nor written to the prompt cache. */
  readonly inputTokens: number
  /** Generated tokens, reasoning included. */
  readonly outputTokens: number
  readonly cacheReadTokens: number
  /** Cache writes that live 5 minutes. */
  readonly cacheWrite5mTokens: number
  /** Cache writes that live 1 hour. */
  readonly cacheWrite1hTokens: number
}

export const noUsage: Usage = Object.freeze({
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
})

export function addUsage(a: Usage, b: Usage): Usage {
  const sum: { -readonly [Bucket in keyof Usage]: number } = { ...a }
  for (const bucket of Object.keys(noUsage) as (keyof Usage)[]) sum[bucket] += b[bucket]
  return sum
}

/** All tokens of the prompt, cached or not. */
export function promptTokens(usage: Usage): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
}
