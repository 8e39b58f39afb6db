/** What a throttle did, as anybody may watch it: on the channel `sluice:quota`, and as metrics. */

import { channel } from 'node:diagnostics_channel'
import type { QuotaLimitName } from './quota-exceeded-error.ts'

/**
 * Published on the channel `sluice:quota`.
 *
 * - `admitted`, `shed`: one of them for each attempt. In the mode `observe` nothing is shed in truth.
 * - `throttled`: the provider refused what the ledger had let in.
 * - `blocked`: the provider said that the tokens of the day are used up.
 * - `store_failed`: the store did not answer.
 */
export interface QuotaRecord {
  readonly event: 'admitted' | 'shed' | 'throttled' | 'blocked' | 'store_failed'
  readonly key: string
  readonly mode: 'enforce' | 'observe'
  readonly tenant?: string | undefined
  readonly route?: string | undefined
  /** Output tokens that 50 % and 99 % of the latest answers of the route stayed within; undefined before the first. */
  readonly outputTokensP50?: number | undefined
  readonly outputTokensP99?: number | undefined
  /** Tokens held, or asked for. */
  readonly tokens?: number | undefined
  readonly waitedMs?: number | undefined
  /** True for a waiter that its estimates had deceived: it asked again as told and was refused all the same. */
  readonly stuck?: boolean | undefined
  readonly limit?: QuotaLimitName | undefined
  readonly retryAfterMs?: number | undefined
  /** Tokens that could be taken at once, as far as this sandbox knows; negative while there is a line. */
  readonly balanceTokens?: number | undefined
  /** What is believed of the configured rate, from 0 to 1. */
  readonly believedRate?: number | undefined
  /** Name of the store's error. */
  readonly errorName?: string | undefined
}

/** What of Powertools' Metrics is needed. Give it an instance of its own, that nobody else publishes. */
export interface QuotaMetrics {
  addMetric(name: string, unit: never, value: number): unknown
  publishStoredMetrics(): void
}

const quotaChannel = channel('sluice:quota')

/** Whether anybody will see a record. */
export function isWatched(metrics: QuotaMetrics | undefined): boolean {
  return metrics !== undefined || quotaChannel.hasSubscribers
}

export function publish(record: QuotaRecord, metrics: QuotaMetrics | undefined): void {
  if (quotaChannel.hasSubscribers) quotaChannel.publish(record)
  if (metrics) emit(record, metrics)
}

const countNames = {
  admitted: 'QuotaAdmitted',
  shed: 'QuotaShed',
  throttled: 'QuotaThrottled',
  blocked: 'QuotaBlocked',
  store_failed: 'QuotaStoreErrors',
} as const

function emit(
  { event, waitedMs, stuck, balanceTokens, believedRate, outputTokensP50, outputTokensP99 }: QuotaRecord,
  metrics: QuotaMetrics,
): void {
  const add = (name: string, unit: string, value: number) => metrics.addMetric(name, unit as never, value)
  add(countNames[event], 'Count', 1)
  if (waitedMs !== undefined && waitedMs > 0) add('QuotaWaited', 'Milliseconds', waitedMs)
  if (stuck) add('QuotaStuckWaiters', 'Count', 1)
  if (balanceTokens !== undefined && Number.isFinite(balanceTokens))
    add('QuotaBalance', 'Count', balanceTokens)
  if (believedRate !== undefined) add('QuotaBelievedRate', 'Percent', believedRate * 100)
  if (event === 'admitted' && outputTokensP50 !== undefined && outputTokensP99 !== undefined) {
    add('QuotaOutputTokensP50', 'Count', outputTokensP50)
    add('QuotaOutputTokensP99', 'Count', outputTokensP99)
  }
  metrics.publishStoredMetrics()
}
