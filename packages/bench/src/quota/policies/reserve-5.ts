import { randomUUID } from 'node:crypto'
import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { standardClient } from './sdk-client.ts'
import { untilAdmitted } from './until-admitted.ts'

const pollMs = 250

/**
 * Who knows of the burndown and trusts nothing: a bucket that holds the prompt and the most that the answer can be
 * charged, asked every quarter of a second by all who wait.
 */
export const openSandbox: OpenSandbox = (surroundings) => {
  const { account, clock, quotaStore, settings } = surroundings
  const { tokensPerMinute, burstTokens, maxTokens, burndown } = settings
  const limits = { tokens: { perMinute: tokensPerMinute, burst: burstTokens } }
  const bedrock = standardClient(surroundings)
  return async (work) => {
    const tokens = work.inputTokens + burndown * maxTokens
    let hold = { id: '', tokens, expiresAtMs: 0 }
    async function ask(): Promise<number | undefined> {
      hold = { id: randomUUID(), tokens, expiresAtMs: clock.now() + settings.deadlineMs }
      const asker = { tenant: 'all', weight: 1, priority: 'interactive', maxWaitMs: 0 } as const
      const takes = [{ ...hold, expectedTokens: tokens, ...asker }]
      const { answers } = await quotaStore.update(account, { limits, takes })
      return answers[0]?.state === 'admitted' ? undefined : pollMs * (0.75 + 0.5 * Math.random())
    }
    await untilAdmitted(ask, surroundings, work)
    let usedTokens = 0
    try {
      const usage = await converse(bedrock, work, settings)
      usedTokens = usage.inputTokens + burndown * usage.outputTokens
    } finally {
      const settlements = [{ ...hold, usedTokens, sent: true }]
      await quotaStore.update(account, { limits, settlements })
    }
  }
}
