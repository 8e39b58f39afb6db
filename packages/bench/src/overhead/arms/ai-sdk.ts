import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { generateText, streamText } from 'ai'
import type { Arm, ArmSettings } from '../arm.ts'

/** Vercel's AI SDK with its own Bedrock provider: no AWS SDK in it, `fetch` over HTTP/1.1 with keep-alive. */
export function createArm({ url, region, modelId, prompt, maxTokens }: ArmSettings): Arm {
  const model = createAmazonBedrock({ region, baseURL: url })(modelId)
  return {
    async invoke() {
      return (await generateText({ model, prompt, maxOutputTokens: maxTokens })).text
    },
    async stream(onText) {
      const { textStream } = streamText({ model, prompt, maxOutputTokens: maxTokens })
      for await (const piece of textStream) onText(piece)
    },
  }
}
