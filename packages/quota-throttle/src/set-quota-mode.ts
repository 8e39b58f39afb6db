/** The switch that needs no deploy. */

import type { QuotaMode, QuotaStore } from '@sluice/store'
import { quotaModes } from './mode-reader.ts'

/**
 * Tells all sandboxes of a ledger what to do, whatever their option `mode` says.
 *
 * @param key which ledger, as the records of the channel `sluice:quota` name it
 *
 * @example
 * ```ts
 * import { setQuotaMode } from '@sluice/quota-throttle'
 * import { memoryQuotaStore } from '@sluice/store'
 *
 * await setQuotaMode(memoryQuotaStore(), '1111/eu-west-1/bedrock-runtime/eu/amazon.nova-lite-v1:0', 'observe')
 * ```
 */
export async function setQuotaMode(store: QuotaStore, key: string, mode: QuotaMode): Promise<void> {
  if (!quotaModes.includes(mode)) {
    throw new TypeError(`setQuotaMode: mode is "${mode}". Use one of: ${quotaModes.join(', ')}.`)
  }
  await store.update(key, { limits: {}, mode })
}
