/** Amazon Bedrock: a guard for SDK clients and a provider for `modelInvocation()`. */

export {
  type BedrockEmbeddingModel,
  type BedrockEmbeddingSettings,
  bedrockEmbedding,
  type Embedding,
  type EmbedSettings,
} from './bedrock/embedding.ts'
export type { EmbeddingPurpose } from './bedrock/embedding-families.ts'
export { type GuardedOptions, guarded } from './bedrock/guarded.ts'
export { type BedrockModel, type BedrockProvider, type BedrockSettings, bedrock } from './bedrock/model.ts'
export type { BedrockAnswer } from './bedrock/model-stream.ts'
export type { BedrockPrompt, BedrockRequest } from './bedrock/prompt.ts'
