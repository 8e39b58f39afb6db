import middy from '@middy/core'
import { circuitBreaker, fallback, modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const sonnet = bedrock('eu.anthropic.claude-sonnet-4-5-20250929-v1:0', { maxTokens: 300 })

export const handler = middy<{ text: string }>()
  .use(
    fallback(
      [
        { model: sonnet, maxWaitMs: 500 },
        'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
        bedrock('eu.amazon.nova-pro-v1:0', { maxTokens: 400 }),
      ],
      { breaker: circuitBreaker() },
    ),
  )
  .use(modelInvocation({ model: sonnet }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke(`Summarise in one sentence:\n\n${text}`)
    return { summary: answer.text }
  })
