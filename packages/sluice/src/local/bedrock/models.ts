/** What the endpoint knows of model ids: their shape, and the limits of their models. */
import { invalid } from './service-error.ts'

/** The limits of a model. */
export interface ModelLimits {
  /** The most tokens of a prompt. */
  contextTokens: number
  /** The most tokens of an answer; what is held when a request names no limit. */
  maxTokens: number
  /** What an output token weighs against the quota at settlement. */
  burndown: number
}

/**
 * Rough limits by the head of the model id, the longest head that fits decides. They are near the published
 * ones, and yours to overrule by `models`.
 */
const KNOWN_LIMITS: Record<string, readonly [contextTokens: number, maxTokens: number, burndown: number]> = {
  '': [128_000, 8_192, 1],
  'anthropic.': [200_000, 64_000, 1],
  'anthropic.claude-3-': [200_000, 4_096, 1],
  'anthropic.claude-3-5-': [200_000, 8_192, 1],
  'anthropic.claude-3-7-': [200_000, 64_000, 5],
  'anthropic.claude-haiku-4': [200_000, 64_000, 5],
  'anthropic.claude-sonnet-4': [200_000, 64_000, 5],
  'anthropic.claude-opus-4': [200_000, 64_000, 5],
  'anthropic.claude-opus-4-8': [200_000, 64_000, 15],
  'anthropic.claude-sonnet-5': [1_000_000, 128_000, 10],
  'anthropic.claude-opus-5': [1_000_000, 128_000, 10],
  'anthropic.claude-fable-5-1': [1_000_000, 128_000, 10],
  'amazon.nova-micro': [128_000, 10_000, 1],
  'amazon.nova': [300_000, 10_000, 1],
  'amazon.nova-premier': [1_000_000, 32_000, 1],
  'amazon.titan-embed-text': [8_192, 1, 1],
  'amazon.titan-text-lite': [4_096, 4_096, 1],
  'amazon.titan-text': [32_000, 8_192, 1],
  'meta.llama3-8b': [8_192, 2_048, 1],
  'meta.llama3-70b': [8_192, 2_048, 1],
  'mistral.': [32_000, 8_192, 1],
  'mistral.mistral-large-2407': [128_000, 8_192, 1],
  'cohere.': [128_000, 4_096, 1],
}

const VENDORS =
  'ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|zai'
const MODEL_ID = new RegExp(
  `^(?:[a-z]{2}(?:-gov)?\\.|apac\\.|global\\.)?(?:${VENDORS})\\.[a-z0-9][\\w.-]*(?::[\\w]+)*$`,
)
const ARN =
  /^arn:aws(?:-[a-z]+)*:(?:bedrock|sagemaker):[a-z0-9-]*:\d*:(foundation-model|inference-profile|application-inference-profile|default-prompt-router|prompt-router|provisioned-model|custom-model-deployment|imported-model|prompt|endpoint)\/(.+)$/

/**
 * Checks the shape of a model id or ARN and tells the model behind it, without Region prefix.
 *
 * @throws ServiceError when no model can be called that
 */
export function baseModelOf(modelId: string, extra: Record<string, unknown> = {}): string {
  if (Object.hasOwn(extra, modelId)) return modelId
  const [, kind, name = ''] = ARN.exec(modelId) ?? []
  const named = kind === undefined || kind === 'foundation-model' || kind === 'inference-profile'
  if (kind !== undefined && !named) return name
  const id = kind === undefined ? modelId : name
  if (!MODEL_ID.test(id)) throw invalid('The provided model identifier is invalid.')
  return id.replace(/^(?:[a-z]{2}(?:-gov)?|apac|global)\./, '')
}

/** The limits of a model, the caller's own first. */
export function limitsOf(
  modelId: string,
  baseModel: string,
  own: Record<string, Partial<ModelLimits>> = {},
): ModelLimits {
  const heads = Object.keys(KNOWN_LIMITS).filter((head) => baseModel.startsWith(head))
  const longest = heads.reduce((best, head) => (head.length > best.length ? head : best), '')
  const [contextTokens, maxTokens, burndown] = KNOWN_LIMITS[longest]!
  return { contextTokens, maxTokens, burndown, ...own[baseModel], ...own[modelId] }
}
