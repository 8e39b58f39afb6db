import { runInScope } from '@sluice/core'
import { guarded } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { region } from '../settings.ts'

/** A guarded client under `quotaThrottle()`, with its defaults. */
export const openSandbox: OpenSandbox = ({ settings, account, clock, client, quotaStore }) => {
  const { tokensPerMinute, burstTokens, sandboxes } = settings
  const bedrock = guarded(client())
  const throttle = quotaThrottle({
    quotas: { tokensPerMinute, burstTokens },
    store: quotaStore,
    ...{ sandboxes, account, region, clock },
  })
  return async (work) => {
    const scope = { clock, deadlineMs: work.deadlineMs, tenant: work.tenantName, policies: [throttle] }
    await runInScope(scope, () => converse(bedrock, work, settings))
  }
}
