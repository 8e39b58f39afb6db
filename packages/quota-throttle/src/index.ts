/** One quota for all sandboxes: holds and settles what the provider does, before the provider has to refuse. */

export type { ModeFromContext } from './mode-reader.ts'
export { type ModelLimits, modelLimits } from './model-limits.ts'
export { QuotaExceededError, type QuotaLimitName } from './quota-exceeded-error.ts'
export {
  type QuotaStatus,
  type QuotaThrottle,
  type QuotaThrottleOptions,
  quotaThrottle,
} from './quota-throttle.ts'
export type { QuotaOptions, Quotas } from './quotas.ts'
export type { QuotaMetrics, QuotaRecord } from './record.ts'
export type { AnswerLengths } from './right-size.ts'
export { type QuotasFromServiceQuotasOptions, quotasFromServiceQuotas } from './service-quotas.ts'
export { setQuotaMode } from './set-quota-mode.ts'
