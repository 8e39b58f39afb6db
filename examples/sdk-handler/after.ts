import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'

interface Message {
  readonly text: string
}

const client = guarded(new BedrockRuntimeClient({}))
const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

const classify = async ({ text }: Message) => {
  const { output } = await client.send(
    new ConverseCommand({
      modelId,
      system: [{ text: `Classify the message of a customer. Answer with one of: ${intents}` }],
      messages: [{ role: 'user', content: [{ text }] }],
      inferenceConfig: { maxTokens: 20, temperature: 0 },
    }),
  )
  return { intent: output?.message?.content?.[0]?.text }
}

export const handler = middy<Message>().use(retry()).handler(classify)
