/** Model calls for Lambda handlers. Providers live at `@sluice/model-invocation/bedrock` and its siblings. */

export type { StandardSchema } from '@sluice/core'
export { type CacheOptions, cache } from './cache.ts'
export {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  circuitBreaker,
  type Pass,
  type TripRule,
} from './circuit-breaker.ts'
export { type FallbackOptions, fallback } from './fallback.ts'
export type { Candidate, Substitute } from './fallback-candidates.ts'
export type {
  CallSettings,
  InvokeSettings,
  Model,
  ModelAnswer,
  ModelProvider,
  ModelStream,
  PartialSettings,
} from './model.ts'
export { type ModelInvocationOptions, modelInvocation } from './model-invocation.ts'
export { type ModelStepOptions, modelStep, type Step } from './model-step.ts'
export { type RetryOptions, retry } from './retry.ts'
export { type RunToolsOptions, runTools, type ToolsAnswer } from './run-tools.ts'
export type { JsonSchema, ValueSchema } from './schema.ts'
export { type StructuredAnswer, type StructuredSettings, structured } from './structured.ts'
export { type Tool, tool } from './tool.ts'
