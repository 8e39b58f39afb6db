import middy from '@middy/core'
import { sqsBatch } from '@sluice/event-sources'
import { modelInvocation } from '@sluice/model-invocation'
import { type BedrockModel, bedrock } from '@sluice/model-invocation/bedrock'
import type { SQSEvent } from 'aws-lambda'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

const model = bedrock(modelId, {
  maxTokens: 20,
  temperature: 0,
  system: `Classify the message of a customer. Answer with one of: ${intents}`,
})

const messages = sqsBatch()

export const handler = middy<SQSEvent>()
  .use(messages)
  .use(modelInvocation({ model }))
  .handler(
    messages.handler(
      async (message, { id, signal }, { model }: { model: BedrockModel }) => {
        const { text: intent } = await model.invoke(message, { signal })
        console.log(JSON.stringify({ messageId: id, intent }))
      },
      { concurrency: 10 },
    ),
  )
