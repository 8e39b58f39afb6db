import middy from '@middy/core'
import sqsPartialBatchFailure from '@middy/sqs-partial-batch-failure'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import type { SQSEvent, SQSRecord } from 'aws-lambda'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

const model = bedrock(modelId, {
  maxTokens: 20,
  temperature: 0,
  system: `Classify the message of a customer. Answer with one of: ${intents}`,
})

// Only why it failed: the record holds what a customer wrote, which does not belong in a log.
const logger = (reason: Error, { messageId }: SQSRecord) =>
  console.error(JSON.stringify({ messageId, failed: reason.name }))

export const handler = middy<SQSEvent>()
  .use(sqsPartialBatchFailure({ logger }))
  .use(modelInvocation({ model }))
  .handler(({ Records }, { model }) =>
    Promise.allSettled(
      Records.map(async ({ messageId, body }) => {
        const { text: intent } = await model.invoke(body)
        console.log(JSON.stringify({ messageId, intent }))
      }),
    ),
  )
