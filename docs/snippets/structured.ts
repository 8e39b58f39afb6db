import middy from '@middy/core'
import { modelInvocation, structured } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const Ticket = z.object({
  topic: z.enum(['card', 'transfer', 'other']),
  days: z.number().int().describe('how many days the customer has waited'),
})

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
  .handler(async ({ text }, { model }) => {
    const { value } = await structured(model, `File this ticket:\n\n${text}`, Ticket)
    return { topic: value.topic, urgent: value.days > 7 }
  })
