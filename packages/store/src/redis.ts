/** Shared state in Redis or Valkey. */

export { type RedisBudgetStoreOptions, redisBudgetStore } from './redis/budget-store.ts'
export type {
  IoRedisScripts,
  IoRedisSubscriber,
  NodeRedisScripts,
  NodeRedisSubscriber,
  RedisScripts,
  RedisSubscriber,
} from './redis/client.ts'
export { type RedisQuotaStoreOptions, redisQuotaStore } from './redis/quota-store.ts'
