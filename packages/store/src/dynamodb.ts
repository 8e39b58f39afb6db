/** Shared state in a DynamoDB table, which holds all kinds beside each other. */

export { dynamoDBBreakerStore } from './dynamodb/breaker-store.ts'
export { dynamoDBBudgetStore } from './dynamodb/budget-store.ts'
export { dynamoDBCacheStore } from './dynamodb/cache-store.ts'
export { dynamoDBQuotaStore } from './dynamodb/quota-store.ts'
export { type DynamoDBStoreOptions, tableDefinition, timeToLive } from './dynamodb/table.ts'
