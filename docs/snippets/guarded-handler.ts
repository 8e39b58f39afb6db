import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'

const client = guarded(new BedrockRuntimeClient({}))

export const handler = middy<{ text: string }>()
  .use(retry({ maxAttempts: 5 }))
  .handler(async ({ text }) => {
    const { output, usage } = await client.send(
      new ConverseCommand({
        modelId: 'eu.amazon.nova-lite-v1:0',
        messages: [{ role: 'user', content: [{ text }] }],
        inferenceConfig: { maxTokens: 300 },
      }),
    )
    return { text: output?.message?.content?.[0]?.text, tokens: usage?.outputTokens }
  })
