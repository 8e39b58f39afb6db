import { handler as example } from '@sluice/example-shared-quota/before.ts'
import { quotaThrottle } from '@sluice/quota-throttle'
import { quotaStoreOver } from '../quota-store.ts'
import { metered } from './metered.ts'

const { TOKENS_PER_MINUTE, BURST_TOKENS, QUOTA_STORE_URL = '' } = process.env

/** In AWS the store would be `dynamoDBQuotaStore()` or `redisQuotaStore()`. */
export const handler = metered(example).use(
  quotaThrottle({
    quotas: { tokensPerMinute: Number(TOKENS_PER_MINUTE), burstTokens: Number(BURST_TOKENS) },
    store: quotaStoreOver(QUOTA_STORE_URL),
  }),
)
