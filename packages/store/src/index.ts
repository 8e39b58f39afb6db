/** State that sandboxes share. Backends live at `@sluice/store/dynamodb` and its siblings; this entry holds the memory's. */

export type { BreakerStore } from './breaker-store.ts'
export type { BudgetAccount, BudgetReservation, BudgetState, BudgetStore } from './budget-store.ts'
export type { CacheStore } from './cache-store.ts'
export { memoryBreakerStore } from './memory-breaker-store.ts'
export { type MemoryBudgetStoreOptions, memoryBudgetStore } from './memory-budget-store.ts'
export {
  type MemoryCacheStore,
  type MemoryCacheStoreOptions,
  memoryCacheStore,
} from './memory-cache-store.ts'
export { type MemoryQuotaStoreOptions, memoryQuotaStore } from './memory-quota-store.ts'
export {
  noBelief,
  type QuotaAnswer,
  type QuotaBelief,
  type QuotaChange,
  type QuotaExtension,
  type QuotaLimits,
  type QuotaMode,
  type QuotaSettlement,
  type QuotaStore,
  type QuotaTake,
  type QuotaUpdate,
  type QuotaView,
  type RateLimit,
} from './quota-store.ts'
