/** Tokens of a day: they do not come back by waiting, so each attempt is accounted for by its id. */

import type { Clock } from '@sluice/core'
import type { BudgetAccount, BudgetStore } from '@sluice/store'
import { QuotaExceededError } from './quota-exceeded-error.ts'

export interface DailyLimit {
  /** Which tokens are counted together: those of a ledger, or of all models of an account and Region. */
  readonly key: string
  readonly tokensPerDay: number
}

export interface DailyTokens {
  /**
   * @returns settles with what was used in the end
   * @throws QuotaExceededError when the day has too little left
   */
  reserve(
    limits: readonly DailyLimit[],
    id: string,
    tokens: number,
    expiresAtMs: number,
  ): Promise<(used: number) => Promise<void>>
}

const dayMs = 24 * 60 * 60_000

/** The provider's day is taken to turn at midnight UTC. */
export function dailyTokens(store: BudgetStore, clock: Clock): DailyTokens {
  return {
    async reserve(limits, id, tokens, expiresAtMs) {
      const now = clock.now()
      const endsAtMs = (Math.floor(now / dayMs) + 1) * dayMs
      const day = new Date(now).toISOString().slice(0, 10)
      const accounts: BudgetAccount[] = limits.map(({ key, tokensPerDay }) => ({
        key: `tokens-per-day/${key}#${day}`,
        limit: BigInt(tokensPerDay),
        forgetAtMs: endsAtMs + dayMs,
      }))
      const reservation = { id, amount: BigInt(tokens), expiresAtMs }
      const { refusedBy, states } = await store.reserve(accounts, reservation).catch((cause) => {
        throw new QuotaExceededError(
          'The account of the tokens of the day cannot be reached: nothing is sent.',
          {
            limit: 'store',
            overBy: 0,
            retryAfterMs: 1_000,
            cause,
          },
        )
      })
      if (refusedBy === undefined) {
        return async (used) => {
          await store.settle(accounts, reservation, BigInt(used))
        }
      }
      const { limit } = accounts[refusedBy] as BudgetAccount
      const state = states[refusedBy]
      const left = state ? limit - state.spent - state.reserved : 0n
      throw new QuotaExceededError(
        `The quota of ${limit} tokens a day has ${left < 0n ? 0n : left} left, and this call may take ${tokens}. ` +
          'Use another model or profile, or wait for midnight UTC.',
        { limit: 'daily', overBy: Number(BigInt(tokens) - left), retryAfterMs: endsAtMs - now },
      )
    },
  }
}
