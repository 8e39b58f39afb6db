import type { BreakerStore } from '@sluice/store'
import { breakerStoreConformance } from '@sluice/store/testing'
import { test } from 'vitest'

function myStore(): BreakerStore {
  return {
    get: async (key) => numbers.get(key),
    async compareAndSet(key, expected, next) {
      if (numbers.get(key) !== expected) return false
      if (next === undefined) numbers.delete(key)
      else numbers.set(key, next)
      return true
    },
  }
}
const numbers = new Map<string, number>()

test.for(breakerStoreConformance(myStore))('$name', ({ run }) => run())
