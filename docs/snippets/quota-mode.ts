import { setQuotaMode } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'

// The key is in every record of the channel sluice:quota.
await setQuotaMode(
  dynamoDBQuotaStore({ tableName: 'sluice' }),
  '111122223333/eu-central-1/bedrock-runtime/eu/amazon.nova-lite-v1:0',
  'enforce',
)
