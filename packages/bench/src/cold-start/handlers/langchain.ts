import { ChatBedrockConverse } from '@langchain/aws'

const model = new ChatBedrockConverse({
  model: 'amazon.nova-lite-v1:0',
  region: process.env.AWS_REGION ?? 'us-east-1',
  maxTokens: 20,
})

export async function handler({ text }: { text: string }) {
  return { label: (await model.invoke(`Classify: ${text}`)).text }
}
