/** What a record of a batch job has used, as its model tells it in the body of its answer. */

import type { TokenUsage } from '@aws-sdk/client-bedrock-runtime'
import { noUsage, type Usage } from '@sluice/core'
import { toUsage } from '../bedrock/converse.ts'
import { type ChatUsage, chatUsage } from '../sagemaker/chat.ts'

interface Told {
  readonly usage?: (Partial<TokenUsage> & AnthropicUsage & ChatUsage) | null
  /** Llama tells it beside the text. */
  readonly prompt_token_count?: number
  readonly generation_token_count?: number
  /** Of Amazon Titan. Of an embedding there are no results. */
  readonly inputTextTokenCount?: number
  readonly results?: readonly { readonly tokenCount?: number }[]
}

interface AnthropicUsage {
  readonly input_tokens?: number
  readonly output_tokens?: number
  readonly cache_read_input_tokens?: number | null
  readonly cache_creation_input_tokens?: number | null
  /** Of the tokens that were written to the cache, those that live for an hour. */
  readonly cache_creation?: { readonly ephemeral_1h_input_tokens?: number } | null
}

/**
 * Of a response of Converse, or of a body of Anthropic, Amazon Nova or Titan, Llama, or a family that speaks as OpenAI does.
 * Undefined for a body that tells nothing.
 */
export function outputUsage(output: unknown): Usage | undefined {
  const told = (output ?? {}) as Told
  const { usage, prompt_token_count, generation_token_count = 0, inputTextTokenCount, results = [] } = told
  if (usage?.inputTokens !== undefined) return toUsage(usage as TokenUsage)
  if (usage?.input_tokens !== undefined) return anthropicUsage(usage)
  if (prompt_token_count !== undefined) {
    return { ...noUsage, inputTokens: prompt_token_count, outputTokens: generation_token_count }
  }
  if (inputTextTokenCount !== undefined) {
    const outputTokens = results.reduce((sum, { tokenCount = 0 }) => sum + tokenCount, 0)
    return { ...noUsage, inputTokens: inputTextTokenCount, outputTokens }
  }
  return chatUsage(usage)
}

function anthropicUsage(told: AnthropicUsage): Usage {
  const cacheWrite1hTokens = told.cache_creation?.ephemeral_1h_input_tokens ?? 0
  return {
    inputTokens: told.input_tokens ?? 0,
    outputTokens: told.output_tokens ?? 0,
    cacheReadTokens: told.cache_read_input_tokens ?? 0,
    cacheWrite5mTokens: Math.max(0, (told.cache_creation_input_tokens ?? 0) - cacheWrite1hTokens),
    cacheWrite1hTokens,
  }
}
