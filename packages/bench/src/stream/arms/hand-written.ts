import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import type { ArmSettings } from '../../overhead/arm.ts'
import type { StreamingHandler } from '../arm.ts'

/** What one writes who has read the documentation of Lambda and of Bedrock: the baseline. */
export function createHandler(settings: ArmSettings): StreamingHandler {
  return handWritten(settings, {})
}

/** The same with a client of the given settings. */
export function handWritten(
  { url, region, modelId, maxTokens }: ArmSettings,
  config: BedrockRuntimeClientConfig,
): StreamingHandler {
  const client = new BedrockRuntimeClient({ endpoint: url, region, ...config })
  return awslambda.streamifyResponse(async (event: { readonly prompt: string }, responseStream) => {
    const { stream } = await client.send(
      new ConverseStreamCommand({
        modelId,
        messages: [{ role: 'user', content: [{ text: event.prompt }] }],
        inferenceConfig: { maxTokens },
      }),
    )
    const response = awslambda.HttpResponseStream.from(responseStream, {
      statusCode: 200,
      headers: { 'content-type': 'text/event-stream' },
    })
    for await (const { contentBlockDelta, messageStop, metadata } of stream ?? []) {
      const text = contentBlockDelta?.delta?.text
      if (text !== undefined) response.write(`event: token\ndata: ${JSON.stringify({ text })}\n\n`)
      if (metadata) response.write(`event: usage\ndata: ${JSON.stringify(metadata.usage)}\n\n`)
      if (messageStop) response.write(`event: done\ndata: ${JSON.stringify(messageStop)}\n\n`)
    }
    response.end()
  }) as StreamingHandler
}
