/** The suites that every store must pass, whatever it is made of; also those that you write. */

export { breakerStoreConformance } from './testing/breaker-store-conformance.ts'
export { type BudgetStoreHarness, budgetStoreConformance } from './testing/budget-store-conformance.ts'
export {
  type CacheStoreHarness,
  cacheStoreConformance,
} from './testing/cache-store-conformance.ts'
export type { ConformanceCase } from './testing/conformance-case.ts'
export { quotaStoreConformance } from './testing/quota-store-conformance.ts'
export type { QuotaStoreHarness } from './testing/quota-store-traffic.ts'
