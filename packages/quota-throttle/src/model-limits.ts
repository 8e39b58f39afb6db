/** What a provider knows of a model and a quota needs: dated data, the longest id that fits decides. */

export interface ModelLimits {
  /** The most tokens of an answer: what is held when a request declares no maximum. Undefined where it is not known. */
  readonly maxTokens: number | undefined
  /** What an output token counts for, once it is settled. */
  readonly burndown: number
}

/**
 * As published on 2026-11-20. Burndown: Amazon Bedrock User Guide, "How tokens are counted" (quotas-token-burndown);
 * every model that is not named there counts 1. Maxima: the parameter pages of the models.
 */
const published: Readonly<Record<string, readonly [maxTokens: number | undefined, burndown: number]>> = {
  'amazon.nova-micro': [10_000, 1],
  'amazon.nova-lite': [10_000, 1],
  'amazon.nova-pro': [10_000, 1],
  'amazon.nova-premier': [32_000, 1],
  'amazon.titan-embed': [0, 1],
  'amazon.titan-text': [8_192, 1],
  'amazon.titan-text-lite': [4_096, 1],
  'anthropic.claude-3-': [4_096, 1],
  'anthropic.claude-3-5-': [8_192, 1],
  'anthropic.claude-3-7-': [64_000, 5],
  'anthropic.claude-haiku-4': [64_000, 5],
  'anthropic.claude-sonnet-4': [64_000, 5],
  'anthropic.claude-opus-4': [64_000, 5],
  'anthropic.claude-opus-4-8': [64_000, 15],
  'anthropic.claude-sonnet-4-8': [64_000, 15],
  'anthropic.claude-sonnet-5': [128_000, 10],
  'anthropic.claude-opus-5': [128_000, 10],
  'anthropic.claude-fable-5-1': [128_000, 10],
  'cohere.embed': [0, 1],
  'meta.llama3': [2_048, 1],
  'meta.llama3-1': [8_192, 1],
  'meta.llama3-2': [8_192, 1],
  'meta.llama3-3': [8_192, 1],
  'mistral.': [8_192, 1],
}

/**
 * The limits of a base model; the user's own numbers, by any head of its id, come before the published ones.
 *
 * @example
 * ```ts
 * import { modelLimits } from '@sluice/quota-throttle'
 *
 * modelLimits('anthropic.claude-sonnet-4-5-20250929-v1:0') // { maxTokens: 64000, burndown: 5 }
 * modelLimits('acme.model-v1', { 'acme.': { burndown: 2 } }) // { maxTokens: undefined, burndown: 2 }
 * ```
 */
export function modelLimits(
  baseModelId: string,
  own: Readonly<Record<string, Partial<ModelLimits>>> = {},
): ModelLimits {
  const [maxTokens, burndown] = longest(baseModelId, published) ?? [undefined, 1]
  return { maxTokens, burndown, ...longest(baseModelId, own) }
}

/** The value at the longest head of an id. */
export function longest<Value>(id: string, byHead: Readonly<Record<string, Value>>): Value | undefined {
  let found: string | undefined
  for (const head of Object.keys(byHead)) {
    if (id.startsWith(head) && head.length > (found?.length ?? -1)) found = head
  }
  return found === undefined ? undefined : byHead[found]
}
