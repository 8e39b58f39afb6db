import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb'

/** Who shares a quota loads a client for its table; what that costs is the SDK's. */
export const table = { client: new DynamoDBClient({}), UpdateItemCommand }

const client = new BedrockRuntimeClient({})

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
