/** State that sandboxes share. Backends live at `@sluice/store/dynamodb` and its siblings; this entry holds the memory's. */

export type { BreakerStore } from './breaker-store.ts'
export type { CacheStore } from './cache-store.ts'
export { memoryBreakerStore } from './memory-breaker-store.ts'
export {
  type MemoryCacheStore,
  type MemoryCacheStoreOptions,
  memoryCacheStore,
} from './memory-cache-store.ts'
