import middy from '@middy/core'
import ssm, { ssmParam } from '@middy/ssm'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'

export const handler = middy<{ text: string }>()
  .use(
    ssm({
      fetchData: { quotaMode: ssmParam<string>('/letters/quota-mode') },
      cacheExpiry: 60_000,
      setToContext: true,
    }),
  )
  .use(
    quotaThrottle({
      quotas: { tokensPerMinute: 200_000 },
      sandboxes: 20,
      mode: ({ quotaMode }) => quotaMode,
    }),
  )
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
  .handler(async ({ text }, { model }) => (await model.invoke(`Summarise:\n\n${text}`)).text)
