/** Rate limits of one sandbox. */

import { updateQuotaLedger } from './quota-ledger.ts'
import { type QuotaLedger, quotaLedger } from './quota-ledger-state.ts'
import type { QuotaChange, QuotaStore, QuotaUpdate } from './quota-store.ts'
import { quotaWaiters } from './quota-waiters.ts'

export interface MemoryQuotaStoreOptions {
  /** Ledgers that are kept; the one that was not used for the longest time is forgotten first. */
  readonly maxKeys?: number
  /** Whether who waits is told when it is its turn. Where takes come from other processes, nobody there would hear it. */
  readonly wakes?: boolean
  /** The time in milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * A store for the rate limits of one process: for tests, for scripts, and for a known number of sandboxes that have a
 * part of the quota each. Others learn nothing of what is taken here.
 *
 * @throws {TypeError} When `maxKeys` is no positive integer.
 *
 * @example
 * ```ts
 * import { memoryQuotaStore } from '@sluice/store'
 *
 * const store = memoryQuotaStore()
 * const limits = { tokens: { perMinute: 200_000, burst: 200_000 } }
 * const { answers } = await store.update('eu-central-1/claude', {
 *   limits,
 *   takes: [
 *     {
 *       id: crypto.randomUUID(),
 *       tokens: 4_500,
 *       expectedTokens: 900,
 *       expiresAtMs: Date.now() + 60_000,
 *       maxWaitMs: 5_000,
 *       tenant: 'acme',
 *       weight: 1,
 *       priority: 'interactive',
 *     },
 *   ],
 * })
 * console.log(answers[0]?.state)
 * ```
 */
export function memoryQuotaStore({
  maxKeys = 1_000,
  wakes = true,
  now = Date.now,
}: MemoryQuotaStoreOptions = {}): QuotaStore {
  if (!Number.isInteger(maxKeys) || maxKeys < 1) {
    throw new TypeError(`memoryQuotaStore: maxKeys is ${maxKeys}; give an integer from 1`)
  }
  /** The one that was used last is last. */
  const ledgers = new Map<string, QuotaLedger>()
  const waiters = quotaWaiters()

  async function update(key: string, change: QuotaChange, signal?: AbortSignal): Promise<QuotaUpdate> {
    signal?.throwIfAborted()
    const ledger = ledgers.get(key) ?? quotaLedger()
    ledgers.delete(key)
    ledgers.set(key, ledger)
    if (ledgers.size > maxKeys) ledgers.delete(ledgers.keys().next().value as string)
    return updateQuotaLedger(ledger, change, now(), wakes ? waiters.wake : undefined)
  }

  return {
    update: (key, change, signal) =>
      wakes ? waiters.during(change, () => update(key, change, signal)) : update(key, change, signal),
  }
}
