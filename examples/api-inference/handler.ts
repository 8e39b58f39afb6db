import middy from '@middy/core'
import { http } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

const api = http({ schema: z.object({ text: z.string().trim().min(1).max(5_000) }) })

export const handler = middy(
  modelStep({
    model: bedrock(modelId, { maxTokens: 200, temperature: 0 }),
    source: api,
    prompt: ({ body }) => `What does this customer want?\n\n<message>${body.text}</message>`,
    schema: z.object({ intent: z.enum(intents.split(', ')) }),
  }),
)
  .use(api)
  .use(retry())
