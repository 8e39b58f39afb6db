/** Amazon SageMaker: a guard for clients of its runtime, and a provider for `modelInvocation()`. */

export type {
  AdapterAnswer,
  AnswerPart,
  GenerationSettings,
  SageMakerAdapter,
  StreamAdapter,
} from './sagemaker/adapter.ts'
export {
  type ChatMessage,
  type ChatOptions,
  type ChatPrompt,
  type ChatRequest,
  type ChatToolCall,
  chat,
} from './sagemaker/chat.ts'
export { type GuardedOptions, guarded } from './sagemaker/guarded.ts'
export {
  type SageMakerAnswer,
  type SageMakerModel,
  type SageMakerProvider,
  type SageMakerSettings,
  sagemaker,
} from './sagemaker/model.ts'
export type { Describe, EndpointInput } from './sagemaker/operation.ts'
export { type CsvValue, csv, json, jsonLines } from './sagemaker/plain.ts'
export { type TgiPrompt, type TgiRequest, tgi } from './sagemaker/tgi.ts'
