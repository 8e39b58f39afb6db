/** The call that every policy makes. */

import { type BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import type { Work } from './policy.ts'
import { modelId, type Settings } from './settings.ts'

/** Resolves to the tokens that the provider tells. */
export async function converse(
  client: BedrockRuntimeClient,
  { inputTokens, outputTokens, bytesPerToken, signal, tenantName }: Work,
  { maxTokens }: Pick<Settings, 'maxTokens'>,
): Promise<{ inputTokens: number; outputTokens: number }> {
  // The endpoint's tokens are words of up to four letters with the blank before them; the first tells the length.
  const text = `${outputTokens}${` ${'x'.repeat(bytesPerToken - 1)}`.repeat(inputTokens - 1)}`
  const { usage } = await client.send(
    new ConverseCommand({
      modelId,
      messages: [{ role: 'user', content: [{ text }] }],
      inferenceConfig: { maxTokens },
      requestMetadata: { tenant: tenantName },
    }),
    { abortSignal: signal },
  )
  return { inputTokens: usage?.inputTokens ?? 0, outputTokens: usage?.outputTokens ?? 0 }
}
