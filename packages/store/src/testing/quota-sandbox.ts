/** One sandbox of a suite, which asks a quota store for one thing at a time. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type {
  QuotaAnswer,
  QuotaLimits,
  QuotaSettlement,
  QuotaStore,
  QuotaTake,
  QuotaUpdate,
} from '../quota-store.ts'
import type { QuotaStoreHarness } from './quota-store-traffic.ts'

/** So slow that nothing comes back by itself within a case: one token each second. */
export const tokens: QuotaLimits = { tokens: { perMinute: 60, burst: 10_000 } }
export const both: QuotaLimits = { ...tokens, requests: { perMinute: 1, burst: 5 } }

export interface QuotaSandbox {
  readonly key: string
  readonly store: QuotaStore
  takeOf(amount: number, more?: Partial<QuotaTake>): QuotaTake
  take(amount: number, more?: Partial<QuotaTake>): Promise<{ take: QuotaTake; answer: QuotaAnswer }>
  settle(take: QuotaTake, usedTokens: number, more?: Partial<QuotaSettlement>): Promise<QuotaUpdate>
  /** What could be taken now. Twice, because a store may need one operation to find out what has expired. */
  room(): Promise<number>
}

/** A sandbox that asks for one thing at a time, under a new key. */
export function quotaSandbox(
  harness: () => QuotaStoreHarness,
  limits: QuotaLimits = tokens,
  key: string = randomUUID(),
): QuotaSandbox {
  const store = harness().open()
  const takeOf = (amount: number, more: Partial<QuotaTake> = {}): QuotaTake => ({
    id: randomUUID(),
    tokens: amount,
    expectedTokens: amount,
    expiresAtMs: harness().now() + 60_000,
    maxWaitMs: 0,
    tenant: 'one',
    weight: 1,
    priority: 'interactive',
    ...more,
  })
  return {
    key,
    store,
    takeOf,
    async take(amount: number, more: Partial<QuotaTake> = {}) {
      const take = takeOf(amount, more)
      const { answers } = await store.update(key, { limits, takes: [take] })
      assert.equal(answers.length, 1)
      assert.equal(answers[0]?.id, take.id)
      return { take, answer: answers[0] as QuotaAnswer }
    },
    settle(take: QuotaTake, usedTokens: number, more: Partial<QuotaSettlement> = {}) {
      const { id, expiresAtMs } = take
      const settlement = { id, tokens: take.tokens, expiresAtMs, usedTokens, sent: true, ...more }
      return store.update(key, { limits, settlements: [settlement] })
    },
    async room() {
      await store.update(key, { limits })
      return (await store.update(key, { limits })).view.tokens
    },
  }
}

/** Time has passed meanwhile, and gave back a token each second. */
export function near(actual: number, expected: number, seconds = 5): void {
  assert.ok(actual >= expected && actual <= expected + seconds, `${actual} is not about ${expected}`)
}
