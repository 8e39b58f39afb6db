import middy from '@middy/core'
import { cache, modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const model = bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 20, temperature: 0 })

export const handler = middy<{ text: string }>()
  .use(cache({ ttlMs: 10 * 60_000 }))
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const { text: kind } = await model.invoke(`Answer with one of: question, complaint, praise\n\n${text}`)
    return { kind }
  })
