import middy from '@middy/core'
import { sqsBatch } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const tickets = sqsBatch({ schema: z.object({ id: z.string(), text: z.string().min(1) }) })

export const handler = middy(
  modelStep({
    model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
    source: tickets,
    prompt: ({ text }) => `File this ticket:\n\n${text}`,
    schema: z.object({ topic: z.enum(['card', 'transfer', 'other']) }),
    // Your table, topic or queue. Only when it has taken the value the message is done.
    deliver: async ({ topic }, { id }) => console.log(JSON.stringify({ ticket: id, topic })),
  }),
)
  .use(tickets)
  .use(retry())
