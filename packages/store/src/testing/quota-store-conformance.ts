/** What `quotaThrottle()` relies on. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { QuotaLimits, QuotaStore } from '../quota-store.ts'
import { noBelief } from '../quota-store.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { quotaHoldsConformance } from './quota-holds-conformance.ts'
import { both, near, quotaSandbox, tokens } from './quota-sandbox.ts'
import type { QuotaStoreHarness } from './quota-store-traffic.ts'
import { quotaWaitingConformance } from './quota-waiting-conformance.ts'

/** The suite for one quota store. Keys are new in every run: the store may be in use. */
export function quotaStoreConformance(harness: () => QuotaStoreHarness): ConformanceCase[] {
  const sandbox = (limits: QuotaLimits = tokens, key: string = randomUUID()) =>
    quotaSandbox(harness, limits, key)

  return [
    {
      name: 'what is there is admitted, more is refused with when and by how much',
      async run() {
        const { take } = sandbox({ tokens: { perMinute: 60_000, burst: 1_000 } })
        assert.equal((await take(600)).answer.state, 'admitted')
        const { answer } = await take(600)
        assert.equal(answer.state, 'refused')
        if (answer.state !== 'refused') return
        assert.equal(answer.limit, 'tokens')
        assert.ok(answer.waitMs > 0 && answer.waitMs <= 250, `waitMs is ${answer.waitMs}`)
        assert.ok(answer.overBy > 0 && answer.overBy <= 201, `overBy is ${answer.overBy}`)
        await harness().advance(250)
        assert.equal((await take(600)).answer.state, 'admitted')
      },
    },
    {
      name: 'a refused take leaves nothing behind',
      async run() {
        const { take, room } = sandbox()
        await take(9_000)
        for (let n = 0; n < 20; n++) await take(5_000)
        near(await room(), 1_000)
      },
    },
    {
      name: 'more than the burst is never there',
      async run() {
        const { take, room } = sandbox()
        const { answer } = await take(10_001, { maxWaitMs: 600_000 })
        assert.deepEqual(answer, {
          id: answer.id,
          state: 'refused',
          limit: 'tokens',
          waitMs: Number.POSITIVE_INFINITY,
          overBy: 1,
        })
        near(await room(), 10_000)
      },
    },
    {
      name: 'a bucket is never fuller than its burst',
      async run() {
        const { take, room } = sandbox()
        await take(1)
        await harness().advance(600_000)
        near(await room(), 10_000, 0)
      },
    },
    {
      name: 'under two limits all or nothing is taken',
      async run() {
        const { take, room } = sandbox(both)
        for (let n = 0; n < 5; n++) assert.equal((await take(100)).answer.state, 'admitted')
        const { answer } = await take(100)
        assert.equal(answer.state === 'refused' && answer.limit, 'requests')
        near(await room(), 9_500)
      },
    },
    {
      name: 'what was not used comes back, what was not sent with its request',
      async run() {
        const { take, settle, room } = sandbox(both)
        const held = await Promise.all(Array.from({ length: 5 }, () => take(2_000)))
        near(await room(), 0)
        await settle((held[0] as (typeof held)[number]).take, 500)
        near(await room(), 1_500)
        assert.equal((await take(100)).answer.state, 'refused')
        await settle((held[1] as (typeof held)[number]).take, 0, { sent: false })
        near(await room(), 3_500)
        assert.equal((await take(100)).answer.state, 'admitted')
      },
    },
    {
      name: 'more than was held is a debt of everybody',
      async run() {
        const { take, settle, room } = sandbox()
        const { take: held } = await take(1_000)
        await settle(held, 12_000)
        near(await room(), -2_000)
        assert.equal((await take(1)).answer.state, 'refused')
      },
    },
    {
      name: 'a debt is not forgotten when the bucket was full',
      async run() {
        const { take, settle, room } = sandbox({ tokens: { perMinute: 60_000, burst: 1_000 } })
        const { take: held } = await take(500)
        await harness().advance(20_000)
        await settle(held, 50_500)
        assert.ok((await room()) < -40_000)
      },
    },
    {
      name: 'several takes are answered in their order, as many as fit',
      async run() {
        const { store, key, takeOf } = sandbox()
        const takes = [4_000, 7_000, 3_000, 3_001].map((amount) => takeOf(amount))
        const { answers } = await store.update(key, { limits: tokens, takes })
        assert.deepEqual(
          answers.map(({ id }) => id),
          takes.map(({ id }) => id),
        )
        assert.deepEqual(
          answers.map(({ state }) => state),
          ['admitted', 'refused', 'admitted', 'refused'],
        )
      },
    },
    {
      name: 'of 200 takers at once as many are admitted as the limits let in',
      async run() {
        for (const [limits, admitted] of [
          [tokens, 16],
          [both, 5],
        ] as const) {
          const key = randomUUID()
          const sandboxes = Array.from({ length: 20 }, () => sandbox(limits, key))
          const takes = Array.from({ length: 200 }, (_, n) =>
            (sandboxes[n % 20] as (typeof sandboxes)[number]).take(600),
          )
          const answers = (await Promise.all(takes)).map(({ answer }) => answer.state)
          assert.equal(answers.filter((state) => state === 'admitted').length, admitted)
          assert.equal(answers.filter((state) => state === 'refused').length, 200 - admitted)
        }
      },
    },
    {
      name: 'a belief is replaced only by who knows it, and seen by all',
      async run() {
        const { store, key } = sandbox()
        assert.deepEqual((await store.update(key, { limits: tokens })).view.belief, noBelief)
        const beliefs = Array.from({ length: 20 }, (_, n) => ({
          ratePermille: 900 - n,
          burstPermille: 800,
          blockedUntilMs: 1_700_000_000_000,
          changedAtMs: harness().now() + n,
        }))
        const updates = beliefs.map((next) =>
          harness()
            .open()
            .update(key, { limits: tokens, belief: { next, ifChangedAtMs: 0 } }),
        )
        await Promise.all(updates)
        const { belief } = (await store.update(key, { limits: tokens })).view
        const won = beliefs.find(({ changedAtMs }) => changedAtMs === belief.changedAtMs)
        assert.deepEqual(belief, won)
        const next = { ...belief, ratePermille: 950, changedAtMs: belief.changedAtMs + 100 }
        const change = { limits: tokens, belief: { next, ifChangedAtMs: belief.changedAtMs } }
        assert.deepEqual((await store.update(key, change)).view.belief, next)
      },
    },
    {
      name: 'a rate that goes down makes no room',
      async run() {
        const { store, key, take } = sandbox()
        await take(6_000)
        const next = { ...noBelief, ratePermille: 500, changedAtMs: harness().now() }
        await store.update(key, { limits: tokens, belief: { next, ifChangedAtMs: 0 } })
        const slower = { tokens: { perMinute: 30, burst: 10_000 } }
        near((await harness().open().update(key, { limits: slower })).view.tokens, 4_000)
      },
    },
    {
      name: 'the mode that was set last is seen by all',
      async run() {
        const { store, key } = sandbox()
        assert.equal((await store.update(key, { limits: tokens })).view.mode, undefined)
        await store.update(key, { limits: tokens, mode: 'observe' })
        assert.equal((await harness().open().update(key, { limits: tokens })).view.mode, 'observe')
        await store.update(key, { limits: tokens, mode: 'off' })
        assert.equal((await store.update(key, { limits: tokens })).view.mode, 'off')
      },
    },
    {
      name: 'keys have nothing to do with each other',
      async run() {
        const [one, other] = [sandbox(), sandbox()]
        await one.take(10_000)
        assert.equal((await other.take(10_000)).answer.state, 'admitted')
      },
    },
    {
      name: 'state of another layout is no state',
      async run() {
        const { key, take } = sandbox()
        await harness().plantOtherVersion?.(key)
        assert.equal((await take(10_000)).answer.state, 'admitted')
        assert.equal((await take(5_000)).answer.state, 'refused')
      },
    },
    {
      name: 'an operation of a caller who has gone rejects',
      async run() {
        const store: QuotaStore = harness().open()
        await assert.rejects(store.update(randomUUID(), { limits: tokens }, AbortSignal.abort()))
      },
    },
    ...quotaHoldsConformance(harness),
    ...quotaWaitingConformance(harness),
  ]
}
