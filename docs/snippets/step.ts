import middy from '@middy/core'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

export const handler = middy(
  modelStep({
    model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
    prompt: ({ text }: { text: string }) => `File this ticket:\n\n${text}`,
    schema: z.object({
      topic: z.enum(['card', 'transfer', 'other']),
      days: z.number().int(),
    }),
  }),
).use(retry())
