import middy from '@middy/core'
import { costMeter } from '@sluice/cost-meter'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'
import { timeoutGuard } from '@sluice/timeout-guard'
import { tokenStream } from '@sluice/token-stream'

const model = bedrock('amazon.nova-lite-v1:0', { maxTokens: 20 })

/** What streams is another function's; its bytes count all the same. */
export const streams = tokenStream()

export const handler = middy<{ text: string }>()
  .use(timeoutGuard())
  .use(
    quotaThrottle({
      quotas: { tokensPerMinute: 100_000 },
      store: dynamoDBQuotaStore({ tableName: 'sluice' }),
      // No table answers here: after its time-out the call goes on alone.
      onStoreError: 'open',
    }),
  )
  .use(costMeter({ sinks: [() => {}] }))
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model: bound }) => {
    const answer = await bound.invoke(`Classify: ${text}`)
    return { label: answer.text }
  })
