/** The same handler without the throttle: what every sandbox by itself makes of a quota that it shares. */
import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'

export const handler = middy<{ readonly text: string }>()
  .use(modelInvocation({ model: bedrock(modelId, { maxTokens: 400, temperature: 0 }) }))
  .handler(async ({ text }, { model }) => {
    const { text: summary } = await model.invoke(`Summarize in one sentence:\n\n${text}`)
    return { summary }
  })
