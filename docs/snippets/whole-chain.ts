import { Metrics } from '@aws-lambda-powertools/metrics'
import middy from '@middy/core'
import { costMeter } from '@sluice/cost-meter'
import { sqsBatch } from '@sluice/event-sources'
import { modelStep } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
import { timeoutGuard } from '@sluice/timeout-guard'
import { z } from 'zod'

const letters = sqsBatch({ schema: z.object({ text: z.string() }) })

export const handler = middy(
  modelStep({
    model: bedrock('us.amazon.nova-lite-v1:0', { maxTokens: 300 }),
    source: letters,
    prompt: ({ text }) => `What does this customer want?\n\n${text}`,
    schema: z.object({ intent: z.string(), urgent: z.boolean() }),
  }),
)
  .use(letters)
  .use(timeoutGuard())
  .use(
    quotaThrottle({
      quotas: { tokensPerMinute: 200_000 },
      store: dynamoDBQuotaStore({ tableName: 'sluice' }),
    }),
  )
  .use(costMeter({ metrics: new Metrics({ namespace: 'letters', serviceName: 'classify' }) }))
