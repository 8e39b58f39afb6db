import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { timeoutGuard } from '@sluice/timeout-guard'

const model = bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 1_000 })

export const handler = middy<{ text: string }>()
  .use(timeoutGuard({ firstContentMs: 5_000, idleMs: 10_000 }))
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.invoke(`Summarise, the most important first:\n\n${text}`, { partial: true })
    return { summary: answer.text, cut: answer.partial === true }
  })
