/** The short version of `pnpm bench queue`: real sandboxes, half the quota that the messages need, and things going wrong. */

import { expect, test } from 'vitest'
import { runArm } from '../../bench/src/queue/run-arm.ts'
import { hasRedis } from '../../store/src/fixtures/redis-server.ts'

test.runIf(hasRedis)(
  'messages above the quota, through faults, kills and second deliveries: all are done, none is paid for twice',
  { timeout: 90_000 },
  async () => {
    const outcome = await runArm('sluice', {
      messages: 400,
      sandboxes: 4,
      requestsPerSecond: 40,
      burstSeconds: 2,
      maxWaitMs: 200,
      maxReceiveCount: 5,
      timeoutMs: 5_000,
      visibilityTimeoutSeconds: 5,
      faultShare: 0.02,
      killShare: 0.03,
      duplicateShare: 0.02,
      brokenEvery: 200,
    })
    expect(outcome).toMatchObject({
      messages: 400,
      results: 398,
      deadLettered: 2,
      deadLetteredForQuota: 0,
      lost: 0,
      reasons: { invalid_event: 2 },
    })
    // All of it has happened, and messages had to wait in the queue.
    for (const share of Object.values(outcome.shares)) expect(share).toBeGreaterThan(0)
    expect(outcome.deliveriesPerMessage).toBeGreaterThan(1.1)
    // A sandbox may die between a result and the note that it is done.
    expect(outcome.duplicated).toBeLessThanOrEqual(1)
    expect(outcome.callsPerMessage).toBeLessThanOrEqual(1.05 * outcome.floor)
  },
)
