import middy from '@middy/core'
import { SluiceError } from '@sluice/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 20 }) }))
  .handler(async ({ text }, { model }) => {
    try {
      return { label: (await model.invoke(text)).text }
    } catch (error) {
      if (!SluiceError.is(error)) throw error
      // Waiting helps: whoever sent the event may send it again.
      if (error.retryable) throw error
      return { label: 'unknown', reason: error.code }
    }
  })
