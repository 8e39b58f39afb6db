/** A ledger that is ahead of its provider, and how it falls back. */

import { callModel, ModelThrottledError, runInScope } from '@sluice/core'
import { fakeClock, fakeModel, resetStatistics } from '@sluice/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { QuotaExceededError } from './quota-exceeded-error.ts'
import { quotaThrottle } from './quota-throttle.ts'
import type { Quotas } from './quotas.ts'

beforeEach(resetStatistics)

test.each<[string, Quotas]>([
  ['requests', { requestsPerMinute: 60, burstRequests: 4 }],
  ['tokens', { tokensPerMinute: 60, burstTokens: 4_000 }],
])('what the provider has refused is not let in again at once: %s', async (_name, quotas) => {
  const clock = fakeClock()
  const error = new ModelThrottledError('slow down', { code: 'throttled', retryable: true, unbilled: true })
  const model = fakeModel({ error })
  const policy = quotaThrottle({ quotas, sandboxes: 1, maxWaitMs: 0, clock })
  const request = model.request({ estimatedInputTokens: 100, maxTokens: 900 })
  const failures: unknown[] = []
  await runInScope({ clock, policies: [policy] }, async (scope) => {
    for (let call = 0; call < 10; call++) {
      await callModel(scope, request).catch((thrown) => failures.push(thrown))
    }
  })
  expect(model.sent).toBeGreaterThanOrEqual(3)
  expect(model.sent).toBeLessThanOrEqual(4)
  expect(failures.at(-1)).toBeInstanceOf(QuotaExceededError)
})
