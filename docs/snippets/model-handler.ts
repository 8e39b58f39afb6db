import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const model = bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 })

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke(`Summarise in one sentence:\n\n${text}`)
    return { summary: answer.text, tokens: answer.usage?.outputTokens }
  })
