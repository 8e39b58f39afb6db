import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock'
import { generateText } from 'ai'

const baseURL = process.env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME
const bedrock = createAmazonBedrock(baseURL === undefined ? {} : { baseURL })

export async function handler({ text }: { text: string }) {
  const answer = await generateText({
    model: bedrock('amazon.nova-lite-v1:0'),
    prompt: `Classify: ${text}`,
    maxOutputTokens: 20,
  })
  return { label: answer.text }
}
