import { ListServiceQuotasCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import middy from '@middy/core'
import { quotasFromServiceQuotas, quotaThrottle } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'

const client = new ServiceQuotasClient({})

export const handler = middy()
  .use(
    quotaThrottle({
      quotas: quotasFromServiceQuotas({
        list: (input) => client.send(new ListServiceQuotasCommand(input)),
        models: { 'anthropic.claude-sonnet-4-5': 'Anthropic Claude Sonnet 4.5' },
        scope: 'cross-region',
      }),
      store: dynamoDBQuotaStore({ tableName: 'sluice' }),
    }),
  )
  .handler(async () => 'done')
