/** What becomes of a hold whose holder is late, dead, or said something twice. */

import assert from 'node:assert/strict'
import type { ConformanceCase } from './conformance-case.ts'
import { near, quotaSandbox, tokens } from './quota-sandbox.ts'
import type { QuotaStoreHarness } from './quota-store-traffic.ts'

export function quotaHoldsConformance(harness: () => QuotaStoreHarness): ConformanceCase[] {
  const sandbox = () => quotaSandbox(harness)

  return [
    {
      name: 'the hold of a dead holder comes back, less what it probably used',
      async run() {
        const { take, room } = sandbox()
        await take(8_000, { expectedTokens: 500 })
        await harness().advance(59_000)
        near(await room(), 2_059, 30)
        await harness().advance(1_000 + harness().reclaimMs)
        near(await room(), 9_500, 500)
      },
    },
    {
      name: 'a settlement after the expiry of its hold counts once',
      async run() {
        const { take, settle, room } = sandbox()
        await take(2_000)
        const { take: late } = await take(6_000, {
          expectedTokens: 1_000,
          expiresAtMs: harness().now() + 1_000,
        })
        await harness().advance(1_000 + harness().reclaimMs)
        near(await room(), 7_001, 100)
        await settle(late, 4_000)
        near(await room(), 4_001, 100)
      },
    },
    {
      name: 'a hold that was extended lives on',
      async run() {
        const { take, settle, store, key, room } = sandbox()
        const { take: held } = await take(6_000, { expectedTokens: 1_000 })
        const nextExpiresAtMs = held.expiresAtMs + 3_600_000
        await store.update(key, { limits: tokens, extensions: [{ ...held, nextExpiresAtMs }] })
        await harness().advance(60_000 + harness().reclaimMs)
        near(await room(), 4_000, 200)
        await settle({ ...held, expiresAtMs: nextExpiresAtMs }, 3_000)
        near(await room(), 7_000, 200)
      },
    },
    {
      name: 'an answer that was lost costs its tokens until it expires, and no longer',
      async run() {
        const { take, takeOf, store, key, room } = sandbox()
        const lost = takeOf(9_000, { expectedTokens: 0 })
        await store.update(key, { limits: tokens, takes: [lost] })
        assert.equal((await take(5_000)).answer.state, 'refused')
        await harness().advance(60_000 + harness().reclaimMs)
        await room()
        assert.equal((await take(9_500)).answer.state, 'admitted')
      },
    },
    {
      name: 'a take or a settlement that arrives twice counts once',
      async run() {
        if (!harness().exact) return
        const { store, key, takeOf, settle, room } = sandbox()
        const take = takeOf(4_000)
        for (let n = 0; n < 3; n++) {
          const { answers } = await store.update(key, { limits: tokens, takes: [take] })
          assert.equal(answers[0]?.state, 'admitted')
        }
        near(await room(), 6_000)
        for (let n = 0; n < 3; n++) await settle(take, 1_000)
        near(await room(), 9_000)
        const late = takeOf(4_000, { expiresAtMs: harness().now() + 1_000 })
        await store.update(key, { limits: tokens, takes: [late] })
        await harness().advance(1_000 + harness().reclaimMs)
        for (let n = 0; n < 3; n++) await settle(late, 1_000)
        near(await room(), 8_000, 100)
      },
    },
  ]
}
