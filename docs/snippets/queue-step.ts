import middy from '@middy/core'
import { modelStep, retry, sqsSource } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const Ticket = z.object({ id: z.string(), text: z.string().min(1) })
const Filed = z.object({ topic: z.enum(['card', 'transfer', 'other']) })

export const handler = middy(
  modelStep({
    model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
    source: sqsSource({ parse: (body) => Ticket.parse(JSON.parse(body)) }),
    prompt: ({ text }) => `File this ticket:\n\n${text}`,
    schema: Filed,
    // Your table, topic or queue. Only when it has taken the value the message is done.
    deliver: async ({ topic }, { id }) => console.log(JSON.stringify({ ticket: id, topic })),
  }),
).use(retry())
