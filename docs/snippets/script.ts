import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'

const client = guarded(new BedrockRuntimeClient({}))

const answer = await runInScope(
  { deadlineMs: Date.now() + 30_000, policies: [retry({ maxAttempts: 5 })] },
  async () => {
    const { output } = await client.send(
      new ConverseCommand({
        modelId: 'eu.amazon.nova-lite-v1:0',
        messages: [{ role: 'user', content: [{ text: 'Who are you?' }] }],
      }),
    )
    return output?.message?.content?.[0]?.text
  },
)
console.log(answer)
client.destroy()
