/** What those who wait in a quota store may expect. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { QuotaLimits, QuotaTake } from '../quota-store.ts'
import type { ConformanceCase } from './conformance-case.ts'
import {
  type Arrival,
  type Call,
  jainIndex,
  type QuotaStoreHarness,
  runTraffic,
} from './quota-store-traffic.ts'

/** A thousand tokens each second, and as many at once. */
const limits: QuotaLimits = { tokens: { perMinute: 60_000, burst: 1_000 } }
const call: Arrival = {
  atMs: 0,
  tenant: 'one',
  tokens: 500,
  usedTokens: 500,
  serviceMs: 100,
  maxWaitMs: 60_000,
}

export function quotaWaitingConformance(harness: () => QuotaStoreHarness): ConformanceCase[] {
  const run = (arrivals: readonly Arrival[], quota = limits, sandboxes = 4) =>
    runTraffic(
      harness(),
      Array.from({ length: sandboxes }, () => harness().open()),
      randomUUID(),
      quota,
      arrivals,
    )

  /** What a take needs that is made by hand. */
  const takeOf = (more: Partial<QuotaTake>): QuotaTake => ({
    id: randomUUID(),
    tokens: 500,
    expectedTokens: 500,
    expiresAtMs: harness().now() + 600_000,
    maxWaitMs: 60_000,
    tenant: 'one',
    weight: 1,
    priority: 'interactive',
    ...more,
  })

  return [
    {
      name: 'those who wait start in the order in which they came, when there is room, and ask little',
      async run() {
        const { calls, lowestRoom } = await run(Array.from({ length: 20 }, (_, n) => ({ ...call, atMs: n })))
        const started = calls.map(({ startedMs }) => startedMs)
        assert.ok(calls.every(({ state }) => state === 'started'))
        assert.deepEqual(
          started,
          started.toSorted((a, b) => a - b),
        )
        assert.ok(lowestRoom >= -1, `${-lowestRoom} tokens too many`)
        // 10,000 tokens, of which 1,000 were there.
        const lastMs = started.at(-1) as number
        assert.ok(lastMs >= 9_000 && lastMs <= 9_500, `the last one started after ${lastMs} ms`)
        assert.ok(
          calls.every(({ asked }) => asked <= 3),
          `asked ${calls.map(({ asked }) => asked)}`,
        )
      },
    },
    {
      name: 'a wait that would be too long is refused at once',
      async run() {
        const { calls } = await run([
          ...Array.from({ length: 20 }, (_, n) => ({ ...call, atMs: n })),
          { ...call, atMs: 20, maxWaitMs: 2_000 },
        ])
        assert.equal(calls[20]?.state, 'refused')
        assert.equal(calls[20]?.asked, 1)
      },
    },
    {
      name: 'a call that needs all there is gets through a stream of small ones',
      async run() {
        const small = Array.from({ length: 150 }, (_, n) => ({
          ...call,
          atMs: n * 100,
          tokens: 120,
          usedTokens: 120,
          maxWaitMs: 5_000,
        }))
        const { calls, lowestRoom } = await run([
          ...small,
          { ...call, atMs: 3_001, tokens: 1_000, usedTokens: 1_000, maxWaitMs: 10_000, tenant: 'big' },
        ])
        assert.ok(lowestRoom >= -1)
        assert.equal(calls.at(-1)?.state, 'started')
      },
    },
    {
      name: 'one who wants more than its share leaves the others theirs',
      async run() {
        // Twice what there is: half of it from one tenant, the rest from nine.
        const light = Array.from({ length: 9 }, (_, tenant) =>
          Array.from({ length: 20 }, (_, n) => ({
            ...call,
            tenant: `light-${tenant}`,
            tokens: 100,
            usedTokens: 100,
            atMs: n * 900 + tenant * 90,
            maxWaitMs: 10_000,
          })),
        ).flat()
        const hog = Array.from({ length: 300 }, (_, n) => ({
          ...call,
          tenant: 'hog',
          tokens: 100,
          usedTokens: 100,
          atMs: n * 60,
          maxWaitMs: 10_000,
        }))
        const { calls, lowestRoom } = await run([...light, ...hog])
        const started = (tenant: string) =>
          calls.filter((each) => each.tenant === tenant && each.state === 'started').length
        const lightStarted = Array.from({ length: 9 }, (_, n) => started(`light-${n}`))
        const served = lightStarted.reduce((sum, count) => sum + count, 0)
        assert.ok(lowestRoom >= -1)
        const { exact } = harness()
        assert.ok(served >= 180 * (exact ? 0.99 : 0.95), `${served} of 180 light calls started`)
        assert.ok(jainIndex(lightStarted) >= 0.95)
        assert.ok(started('hog') >= (exact ? 20 : 10), `${started('hog')} calls of the hog started`)
      },
    },
    {
      name: 'shares are in proportion to weights',
      async run() {
        if (!harness().exact) return
        const arrivals = ['heavy', 'plain'].flatMap((tenant) =>
          Array.from({ length: 100 }, (_, n) => ({
            ...call,
            tenant,
            weight: tenant === 'heavy' ? 3 : 1,
            tokens: 100,
            usedTokens: 100,
            atMs: n,
            maxWaitMs: 60_000,
          })),
        )
        const { calls } = await run(arrivals)
        const soon = (tenant: string) =>
          calls.filter((each) => each.tenant === tenant && each.startedMs <= 9_000).length
        const ratio = soon('heavy') / soon('plain')
        assert.ok(ratio > 2.5 && ratio < 3.5, `three times the weight got ${ratio} times as much`)
      },
    },
    {
      name: 'batch work starts after what is interactive, and starts all the same',
      async run() {
        const calls = Array.from({ length: 40 }, (_, n): Arrival => {
          const batch = n % 2 === 0
          return {
            ...call,
            atMs: n,
            tenant: batch ? 'night' : 'day',
            priority: batch ? 'batch' : 'interactive',
          }
        })
        const result = await run(calls)
        const mean = (priority: string) => {
          const of = result.calls.filter((each) => each.priority === priority)
          return of.reduce((sum, each: Call) => sum + each.startedMs, 0) / of.length
        }
        assert.ok(result.calls.every(({ state }) => state === 'started'))
        if (harness().exact) assert.ok(mean('interactive') * 1.5 < mean('batch'))
      },
    },
    {
      name: 'who leaves the line, or does not come back, holds nobody up for long',
      async run() {
        const key = randomUUID()
        const store = harness().open()
        await store.update(key, { limits, takes: [takeOf({ tokens: 1_000, expectedTokens: 1_000 })] })
        const [left, vanished] = [takeOf({ expectedTokens: 0 }), takeOf({ expectedTokens: 0 })]
        const { answers } = await store.update(key, { limits, takes: [left, vanished] })
        assert.deepEqual(
          answers.map(({ state }) => state),
          ['waiting', 'waiting'],
        )
        const [place] = answers
        const ticket = place?.state === 'waiting' ? place.ticket : undefined
        const { id, tokens, expiresAtMs } = left
        await store.update(key, {
          limits,
          settlements: [
            {
              id,
              tokens,
              expiresAtMs,
              usedTokens: 0,
              sent: false,
              ...(ticket === undefined ? {} : { ticket }),
            },
          ],
        })
        await harness().advance(Math.max(20_000, harness().exact ? 0 : 600_000 + harness().reclaimMs))
        for (let n = 0; n < 3; n++) await store.update(key, { limits })
        const last = await store.update(key, { limits, takes: [takeOf({ tokens: 1_000, maxWaitMs: 0 })] })
        assert.equal(last.answers[0]?.state, 'admitted')
        assert.equal(last.view.waitingTokens, 0)
      },
    },
    {
      name: 'a small refill is not lost however often it is looked at',
      async run() {
        const key = randomUUID()
        const store = harness().open()
        const slow: QuotaLimits = { tokens: { perMinute: 7, burst: 100 } }
        await store.update(key, { limits: slow, takes: [takeOf({ tokens: 100, maxWaitMs: 0 })] })
        for (let n = 0; n < 60; n++) {
          await harness().advance(1_000)
          await store.update(key, { limits: slow })
        }
        const { view } = await store.update(key, { limits: slow })
        assert.ok(view.tokens >= 6 && view.tokens <= 8, `${view.tokens} tokens after a minute`)
      },
    },
    {
      name: 'clocks that differ by two seconds let in no more than the difference',
      async run() {
        const sandboxes = [-2_000, 0, 2_000].map((skewMs) => harness().open({ skewMs }))
        const arrivals = Array.from({ length: 120 }, (_, n) => ({
          ...call,
          atMs: n * 40,
          tokens: 300,
          usedTokens: n % 3 === 0 ? 500 : 150,
          maxWaitMs: 20_000,
        }))
        const { calls, lowestRoom } = await runTraffic(harness(), sandboxes, randomUUID(), limits, arrivals)
        // Four seconds between the fastest and the slowest, and the debts that nobody can know before.
        assert.ok(lowestRoom >= -4_000 - 1_000, `${-lowestRoom} tokens too many`)
        assert.ok(calls.every(({ state }) => state === 'started' || state === 'refused'))
        assert.ok(calls.filter(({ state }) => state === 'started').length > 40)
      },
    },
  ]
}
