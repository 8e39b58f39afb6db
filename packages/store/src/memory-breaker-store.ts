/** Breakers of one sandbox. */

import type { BreakerStore } from './breaker-store.ts'

/**
 * A store for the circuit breakers of one sandbox. Others learn nothing: with many sandboxes, each finds out by itself.
 *
 * @example
 * ```ts
 * import { memoryBreakerStore } from '@sluice/store'
 *
 * const store = memoryBreakerStore()
 * await store.compareAndSet('eu.amazon.nova-lite-v1:0', undefined, Date.now() + 30_000)
 * ```
 */
export function memoryBreakerStore(): BreakerStore {
  const numbers = new Map<string, number>()
  return {
    async get(key) {
      return numbers.get(key)
    },
    async compareAndSet(key, expected, next) {
      if (numbers.get(key) !== expected) return false
      if (next === undefined) numbers.delete(key)
      else numbers.set(key, next)
      return true
    },
  }
}
