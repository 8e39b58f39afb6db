/** What may be asked of a Bedrock model. */

import type { ConverseCommandInput, GuardrailStreamConfiguration } from '@aws-sdk/client-bedrock-runtime'
import { SluiceError } from '@sluice/core'

/** Any part of a Converse request. */
export interface BedrockRequest
  extends Partial<Omit<ConverseCommandInput, 'modelId' | 'system' | 'guardrailConfig'>> {
  /** The system prompt. */
  readonly system?: string | ConverseCommandInput['system']
  /** What a guardrail does shows as `answer.intervened`, and with `trace` in `answer.output.trace`. */
  readonly guardrailConfig?: GuardrailStreamConfiguration | undefined
}

/** A text, or any part of a Converse request. */
export type BedrockPrompt = string | BedrockRequest

/** A prompt in the words of Converse. */
export function converseInputOf(prompt: BedrockPrompt): Partial<ConverseCommandInput> {
  const own =
    typeof prompt === 'string'
      ? { messages: [{ role: 'user' as const, content: [{ text: prompt }] }] }
      : prompt
  if (typeof own !== 'object' || own === null) {
    throw new SluiceError(
      `The prompt is ${own === null ? 'null' : `of type ${typeof own}`}. Give a text, or a request of Converse such as { messages }.`,
      { code: 'invalid_request', statusCode: 400 },
    )
  }
  const { system } = own as BedrockRequest
  return (typeof system === 'string' ? { ...own, system: [{ text: system }] } : own) as ConverseCommandInput
}
