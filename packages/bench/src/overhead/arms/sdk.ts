import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  ConverseCommand,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import type { Arm, ArmSettings } from '../arm.ts'

/** The bare AWS SDK with its defaults: the baseline. */
export function createArm(settings: ArmSettings): Arm {
  return sdkArm(settings, {})
}

/** The calls of an SDK user, over a client with the given settings. */
export function sdkArm(
  { url, region, modelId, prompt, maxTokens }: ArmSettings,
  config: BedrockRuntimeClientConfig,
): Arm {
  const client = new BedrockRuntimeClient({ endpoint: url, region, ...config })
  const input = () => ({
    modelId,
    messages: [{ role: 'user' as const, content: [{ text: prompt }] }],
    inferenceConfig: { maxTokens },
  })
  return {
    async invoke() {
      const { output } = await client.send(new ConverseCommand(input()))
      return output?.message?.content?.[0]?.text ?? ''
    },
    async stream(onText) {
      const { stream } = await client.send(new ConverseStreamCommand(input()))
      for await (const event of stream ?? []) {
        const text = event.contentBlockDelta?.delta?.text
        if (text !== undefined) onText(text)
      }
    },
  }
}
