import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { createUIMessageStreamResponse, streamText, toUIMessageStream } from 'ai'
import type { ArmSettings } from '../../overhead/arm.ts'
import type { StreamingHandler } from '../arm.ts'

/** Vercel's AI SDK with its own Bedrock provider, answering with its own protocol. */
export function createHandler({ url, region, modelId, maxTokens }: ArmSettings): StreamingHandler {
  const model = createAmazonBedrock({ region, baseURL: url })(modelId)
  return awslambda.streamifyResponse(async ({ prompt }: { readonly prompt: string }, responseStream) => {
    const { stream } = streamText({ model, prompt, maxOutputTokens: maxTokens })
    const { status, headers, body } = createUIMessageStreamResponse({ stream: toUIMessageStream({ stream }) })
    const response = awslambda.HttpResponseStream.from(responseStream, {
      statusCode: status,
      headers: Object.fromEntries(headers),
    })
    await pipeline(body as unknown as AsyncIterable<Uint8Array>, response as unknown as Writable)
  }) as StreamingHandler
}
