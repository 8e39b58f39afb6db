import middy from '@middy/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { sagemaker } from '@sluice/model-invocation/sagemaker'

const model = sagemaker('llama-3-8b', { maxTokens: 300, inferenceComponent: 'llama-3-8b-small' })

export const handler = middy<{ text: string }>()
  .use(retry())
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke({
      messages: [
        { role: 'system', content: 'Answer in one sentence.' },
        { role: 'user', content: text },
      ],
    })
    return { answer: answer.text, tokens: answer.usage?.outputTokens }
  })
