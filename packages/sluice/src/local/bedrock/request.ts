/** A request as the endpoint understands it, whatever operation and body it came in. */

/** The operations of the endpoint, named as in their paths. */
export type Operation =
  | 'converse'
  | 'converse-stream'
  | 'invoke'
  | 'invoke-with-response-stream'
  | 'count-tokens'

/** The operations of all services of the local cloud that have faults. */
export type ServiceOperation =
  | Operation
  | 'invocations'
  | 'invocations-response-stream'
  | 'async-invocations'
  | 'CreateTransformJob'
  | 'DescribeTransformJob'
  | 'StopTransformJob'
  | 'CreateModelInvocationJob'
  | 'GetModelInvocationJob'
  | 'ListModelInvocationJobs'
  | 'StopModelInvocationJob'
  | 'SendTaskSuccess'
  | 'SendTaskFailure'
  | 'SendTaskHeartbeat'

/** A JSON value as it comes from a body. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }

/** A JSON object as it comes from a body. */
export type JsonObject = { [key: string]: Json | undefined }

/** A tool that the model may call. */
export interface Tool {
  name: string
  description: string
  inputSchema: JsonObject
}

/** What a model is asked. */
export interface ModelRequest {
  modelId: string
  /** The system prompt, empty if there is none. */
  system: string
  /** The turns of the conversation, oldest first; the last one is to be answered. */
  turns: readonly { role: string; text: string }[]
  /** Absent: as much as the model can. */
  maxTokens?: number
  stopSequences: readonly string[]
  tools: readonly Tool[]
  /** The tool that must be called, or `any` of them. */
  toolChoice?: { name: string } | 'any'
  /** The schema that the answer's text must satisfy. */
  schema?: JsonObject
  /** Temperature and the like, only of interest to an upstream. */
  temperature?: number
}

/** One token of the answer, or the start of a tool call whose input the tokens after it spell as JSON. */
export type Piece = string | { toolUse: { name: string; toolUseId: string } }

/** Makes answers: pieces in batches, each as soon as it is there. */
export type LocalModel = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<readonly Piece[]>

export type StopReason = 'end_turn' | 'tool_use' | 'max_tokens' | 'stop_sequence' | 'guardrail_intervened'

/** How a request was served, as its answer tells; in Converse's own words. */
export interface Served {
  serviceTier?: Json
  performanceConfig?: Json
  /** Members of the model's own answer that were asked for. */
  modelFields?: readonly 'stop_sequence'[]
}

/** The tokens of a prompt, the cached ones apart. */
export interface PromptTokens {
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  /** What was written to the prompt cache, by lifetime. */
  cacheWrites: { ttl: '5m' | '1h'; inputTokens: number }[]
}

/** What is known when an answer has ended. */
export interface AnswerEnd extends PromptTokens {
  stopReason: StopReason
  /** The stop sequence that was met. */
  stopSequence?: string
  outputTokens: number
  latencyMs: number
  firstTokenMs: number
  served: Served
  /** What a guardrail found. */
  trace?: JsonObject | undefined
}
