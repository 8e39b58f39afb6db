import middy from '@middy/core'
import { stepFunctionsTask } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'
import type { Classified, Extracted } from './letter.ts'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const intents = process.env.INTENTS ?? 'card, cash, transfer, top up, exchange rate, refund, identity, other'

export const handler = middy(
  modelStep({
    model: bedrock(modelId, { maxTokens: 100, temperature: 0 }),
    source: stepFunctionsTask<Extracted>(),
    prompt: ({ text }) => `What is this about?\n\n<message>${text}</message>`,
    schema: z.object({ intent: z.enum(intents.split(', ')) }),
    deliver: ({ intent }, letter): Classified => ({ ...letter, intent }),
  }),
).use(retry())
