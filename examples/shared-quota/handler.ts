import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const tokensPerMinute = Number(process.env.TOKENS_PER_MINUTE ?? 200_000)

export const handler = middy<{ readonly text: string }>()
  .use(
    quotaThrottle({
      quotas: { tokensPerMinute },
      store: dynamoDBQuotaStore({ tableName: process.env.TABLE_NAME ?? 'sluice' }),
    }),
  )
  .use(modelInvocation({ model: bedrock(modelId, { maxTokens: 400, temperature: 0 }) }))
  .handler(async ({ text }, { model, quota }) => {
    const { text: summary } = await model.invoke(`Summarize in one sentence:\n\n${text}`)
    return { summary, waitedMs: quota.waitedMs }
  })
