import middy from '@middy/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

export const handler = middy<{ text: string }>()
  .use(retry({ maxAttempts: 5 }))
  .use(
    modelInvocation({
      contextKey: 'small',
      model: bedrock('eu.amazon.nova-micro-v1:0', {
        system: 'Classify the message. Answer with one of: question, complaint, praise',
        maxTokens: 10,
        temperature: 0,
      }),
    }),
  )
  .use(
    modelInvocation({
      contextKey: 'large',
      model: bedrock('eu.amazon.nova-pro-v1:0', { maxTokens: 500 }),
    }),
  )
  .handler(async ({ text }, { small, large }) => {
    const { text: kind } = await small.invoke(text)
    if (kind !== 'complaint') return { kind }
    const reply = await large.invoke({
      system: 'You write answers to customers. Be short and kind.',
      messages: [{ role: 'user', content: [{ text }] }],
    })
    return { kind, reply: reply.text }
  })
