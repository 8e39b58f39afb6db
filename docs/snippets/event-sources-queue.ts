import middy from '@middy/core'
import { sqsBatch } from '@sluice/event-sources'
import { modelInvocation } from '@sluice/model-invocation'
import { type BedrockModel, bedrock } from '@sluice/model-invocation/bedrock'
import type { SQSEvent } from 'aws-lambda'
import { z } from 'zod'

const orders = sqsBatch({
  schema: z.object({ id: z.string(), text: z.string().min(1) }),
  atReceiveLimit: 'sendAgain',
})

export const handler = middy<SQSEvent>()
  .use(orders)
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
  .handler(
    orders.handler(async ({ id, text }, { signal }, { model }: { model: BedrockModel }) => {
      const answer = await model.invoke(`Summarise in one sentence:\n\n${text}`, { signal })
      console.log(JSON.stringify({ order: id, characters: answer.text.length }))
    }),
  )
