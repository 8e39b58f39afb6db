import { BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { guarded } from '@sluice/model-invocation/bedrock'
import { tokenStream } from '@sluice/token-stream'

const client = guarded(new BedrockRuntimeClient({}))

export const handler = middy<{ body: string }>({ executionMode: executionModeStreamifyResponse })
  .use(tokenStream({ format: 'text' }))
  .handler(({ body }) =>
    client.send(
      new ConverseStreamCommand({
        modelId: 'eu.amazon.nova-lite-v1:0',
        messages: [{ role: 'user', content: [{ text: body }] }],
        inferenceConfig: { maxTokens: 1_000 },
      }),
    ),
  )
