import { circuitBreaker, cache as responseCache } from '@sluice/model-invocation'
import { dynamoDBBreakerStore, dynamoDBCacheStore } from '@sluice/store/dynamodb'

const tableName = 'sluice'

export const cache = responseCache({ ttlMs: 60 * 60_000, store: dynamoDBCacheStore({ tableName }) })
export const breaker = circuitBreaker({ store: dynamoDBBreakerStore({ tableName }) })
