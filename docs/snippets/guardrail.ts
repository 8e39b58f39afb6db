import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const model = bedrock('eu.amazon.nova-lite-v1:0', {
  maxTokens: 300,
  guardrailConfig: { guardrailIdentifier: 'no-advice', guardrailVersion: '1', trace: 'enabled' },
})

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke(text)
    if (answer.intervened) return { refused: true, says: answer.text }
    return { refused: false, says: answer.text }
  })
