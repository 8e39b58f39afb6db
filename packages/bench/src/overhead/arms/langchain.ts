import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import { ChatBedrockConverse } from '@langchain/aws'
import type { Arm, ArmSettings } from '../arm.ts'

/**
 * LangChain's chat model for the Converse API. Its `endpointHost` always means https, so it is handed the
 * client that it would make itself: the SDK's defaults, one session for each call.
 */
export function createArm({ url, region, modelId, prompt, maxTokens }: ArmSettings): Arm {
  const client = new BedrockRuntimeClient({ endpoint: url, region })
  const model = new ChatBedrockConverse({ model: modelId, region, maxTokens, client })
  return {
    async invoke() {
      return (await model.invoke(prompt)).text
    },
    async stream(onText) {
      for await (const chunk of await model.stream(prompt)) if (chunk.text !== '') onText(chunk.text)
    },
  }
}
