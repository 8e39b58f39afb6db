import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'

const client = new BedrockRuntimeClient({ requestHandler: { disableConcurrentStreams: false } })

export async function handler({ text }: { text: string }) {
  const { output } = await client.send(
    new ConverseCommand({
      modelId: 'amazon.nova-lite-v1:0',
      messages: [{ role: 'user', content: [{ text: `Classify: ${text}` }] }],
      inferenceConfig: { maxTokens: 20 },
    }),
  )
  return { label: output?.message?.content?.[0]?.text }
}
