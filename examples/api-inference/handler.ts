import middy from '@middy/core'
import httpErrorHandler from '@middy/http-error-handler'
import httpJsonBodyParser from '@middy/http-json-body-parser'
import { httpSource, modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

const Request = z.object({ text: z.string().trim().min(1).max(5_000) })
const Answer = z.object({ intent: z.enum(intents.split(', ')) })

export const handler = middy()
  .use(httpErrorHandler())
  .use(httpJsonBodyParser())
  .use(retry())
  .handler(
    modelStep({
      model: bedrock(modelId, { maxTokens: 200, temperature: 0 }),
      source: httpSource({ parse: (body) => Request.parse(body) }),
      prompt: ({ text }) => `What does this customer want?\n\n<message>${text}</message>`,
      schema: Answer,
    }),
  )
