import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { startBedrock } from 'sluice/local'

const bedrock = await startBedrock({
  latency: { firstTokenMs: 50, tokensPerSecond: 200 },
  faults: [{ fault: 'throttle', first: 2 }],
  quotas: [{ model: 'eu.amazon.nova*', tokensPerMinute: 200_000, requestsPerMinute: 100 }],
})
const client = new BedrockRuntimeClient({
  endpoint: bedrock.url,
  region: 'eu-central-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
})

await client.send(
  new ConverseCommand({
    modelId: 'eu.amazon.nova-lite-v1:0',
    messages: [{ role: 'user', content: [{ text: 'Where is my card?' }] }],
    inferenceConfig: { maxTokens: 50 },
  }),
)

const { outcomes, inputTokens, outputTokens } = bedrock.counters()
console.log(outcomes, inputTokens, outputTokens)

client.destroy()
await bedrock.close()
