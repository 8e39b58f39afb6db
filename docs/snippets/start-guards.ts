import { Metrics } from '@aws-lambda-powertools/metrics'
import middy from '@middy/core'
import { costMeter } from '@sluice/cost-meter'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { timeoutGuard } from '@sluice/timeout-guard'

const model = bedrock('us.amazon.nova-lite-v1:0', { maxTokens: 300 })
const metrics = new Metrics({ namespace: 'Letters', serviceName: 'summary' })

export const handler = middy<{ text: string }>()
  .use(timeoutGuard({ reserveMs: 1_000 }))
  .use(quotaThrottle({ quotas: { tokensPerMinute: 200_000 }, sandboxes: 20 }))
  .use(costMeter({ metrics, tags: { feature: 'summary' } }))
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model, cost }) => {
    const answer = await model.invoke(`Summarise in one sentence:\n\n${text}`)
    await cost.settled()
    return { summary: answer.text, costUsd: cost.costUsd }
  })
