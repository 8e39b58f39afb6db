/** Amazon Bedrock: a guard for SDK clients and a provider for `modelInvocation()`. */

export { type GuardedOptions, guarded } from './bedrock/guarded.ts'
export { type BedrockSettings, bedrock } from './bedrock/model.ts'
