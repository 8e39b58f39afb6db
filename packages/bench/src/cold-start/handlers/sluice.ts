import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model: bedrock('amazon.nova-lite-v1:0', { maxTokens: 20 }) }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke(`Classify: ${text}`)
    return { label: answer.text }
  })
