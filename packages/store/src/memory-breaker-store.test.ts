import { test } from 'vitest'
import { memoryBreakerStore } from './index.ts'
import { breakerStoreConformance } from './testing.ts'

const store = memoryBreakerStore()
for (const { name, run } of breakerStoreConformance(() => store)) test(name, run)
