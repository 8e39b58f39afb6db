/** Model calls for Lambda handlers. Providers live at `@sluice/model-invocation/bedrock` and its siblings. */

export type { CallSettings, Model, ModelAnswer, ModelProvider, ModelStream } from './model.ts'
export { type ModelInvocationOptions, modelInvocation } from './model-invocation.ts'
export { type RetryOptions, retry } from './retry.ts'
export type { JsonSchema, StandardSchema, ValueSchema } from './schema.ts'
export { type StructuredAnswer, type StructuredSettings, structured } from './structured.ts'
