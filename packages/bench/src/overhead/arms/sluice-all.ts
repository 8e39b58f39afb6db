import { costMeter } from '@sluice/cost-meter'
import { quotaThrottle } from '@sluice/quota-throttle'
import { memoryQuotaStore } from '@sluice/store'
import { timeoutGuard } from '@sluice/timeout-guard'
import type { Arm, ArmSettings } from '../arm.ts'
import { middyArm } from './sluice.ts'

/** Everything on: deadline, quota, prices. The ledger is in memory, so that no store's own time is measured. */
export function createArm(settings: ArmSettings): Arm {
  return middyArm(settings, () => [
    timeoutGuard(),
    quotaThrottle({ quotas: { tokensPerMinute: 1_000_000_000 }, store: memoryQuotaStore() }),
    costMeter({ sinks: [() => {}] }),
  ])
}
