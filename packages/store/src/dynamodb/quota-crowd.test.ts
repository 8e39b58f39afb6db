/** What must hold whatever the order in which operations of many sandboxes meet. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CrowdCall, type CrowdOptions, runCrowd, seededRandom } from '../fixtures/quota-crowd.ts'
import type { QuotaLimits } from '../quota-store.ts'
import { reclaimMs } from './quota-holds.ts'
import { quotaStoreOn } from './quota-store.ts'

/** 1,000 tokens a second; what a round trip of 20 ms moves. */
const limits: QuotaLimits = { tokens: { perMinute: 60_000, burst: 20_000 } }
const onTheWay = 20

/** Twice as much as there is, of calls that use less than they hold. */
function crowdOf(seed: number, more: Partial<CrowdOptions> = {}): CrowdOptions {
  const random = seededRandom(seed)
  let atMs = 0
  const calls = Array.from({ length: 150 }, (): CrowdCall => {
    atMs += random() * 600
    const tokens = 500 + Math.floor(random() * 2_500)
    const usedTokens = Math.floor(tokens * random())
    return {
      atMs,
      tenant: random() < 0.5 ? 'hog' : `light-${Math.floor(random() * 4)}`,
      tokens,
      expectedTokens: Math.floor(tokens / 2),
      usedTokens,
      serviceMs: 100 + random() * 3_000,
      maxWaitMs: random() < 0.3 ? 0 : random() * 20_000,
      priority: random() < 0.2 ? 'batch' : 'interactive',
    }
  })
  return { limits, calls, sandboxes: 12, random, latencyMs: onTheWay, ...more }
}

const runs = { numRuns: 25 }
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

describe('a crowd on one ledger', () => {
  test('never takes more than the limits let in, and all who ask are answered', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const crowd = crowdOf(seed)
        const { outcomes, lowestRoom } = await runCrowd(crowd)
        expect(outcomes).toHaveLength(crowd.calls.length)
        expect(outcomes.filter(({ state }) => state === 'failed')).toEqual([])
        expect(lowestRoom).toBeGreaterThanOrEqual(-2 * onTheWay)
        for (const { call, waitedMs } of outcomes) {
          expect(waitedMs).toBeLessThanOrEqual(call.maxWaitMs + 10 * onTheWay)
        }
      }),
      runs,
    )
  })

  test('takes no more than clocks that differ by two seconds make of it', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { lowestRoom } = await runCrowd(crowdOf(seed, { skewMs: 2_000 }))
        expect(lowestRoom).toBeGreaterThanOrEqual(-4_000 - 2 * onTheWay)
      }),
      runs,
    )
  })

  test('keeps its limits when answers are lost and holders die, and has all of it back in the end', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const { lowestRoom, table, endMs } = await runCrowd(crowdOf(seed, { lost: 0.1, dead: 0.1 }))
        expect(lowestRoom).toBeGreaterThanOrEqual(-2 * onTheWay)
        const nowMs = endMs + 60_000 + reclaimMs
        const store = quotaStoreOn(table, { now: () => nowMs })
        const { view } = await store.update('key', { limits })
        expect(view.tokens).toBe(20_000)
        const left = Object.keys(table.items.get('key') ?? {}).filter((name) => /^g\d/.test(name))
        expect(left).toEqual([])
      }),
      runs,
    )
  })

  test('charges what was used, once: to the microsecond', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        // So slow that the bucket is never full, and time gives back nothing that would have to be reckoned.
        const slow: QuotaLimits = { tokens: { perMinute: 60, burst: 4_000_000 } }
        const crowd = crowdOf(seed, { limits: slow })
        const first = { ...(crowd.calls[0] as CrowdCall), tokens: 9_000, usedTokens: 9_000, atMs: 0 }
        const calls = [first, ...crowd.calls]
        const { outcomes, table } = await runCrowd({ ...crowd, calls })
        const item = table.items.get('key') ?? {}
        expect(outcomes.every(({ state }) => state === 'served')).toBe(true)
        const used = calls.reduce((sum, call) => sum + call.usedTokens, 0)
        const charged = (item.tokensMicros as number) / 1_000_000 - 1_700_000_000
        expect(Math.abs(charged - used)).toBeLessThan(0.1)
        expect(item.expectedMicros).toBe(item.tokensMicros)
        for (const [name, sum] of Object.entries(item)) if (/^g\d/.test(name)) expect(sum).toBe(0)
      }),
      runs,
    )
  })

  test('where the bucket is full now and then few guesses go wrong, and a rush then takes no more than there is', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = seededRandom(seed)
        const call = {
          ...{ tenant: 'one', tokens: 400, expectedTokens: 200, usedTokens: 100 },
          ...{ serviceMs: 500, maxWaitMs: 0 },
        }
        let atMs = 0
        const light = Array.from({ length: 200 }, (): CrowdCall => {
          atMs += random() * 600
          return { ...call, atMs }
        })
        // While up to a twentieth of the burst has come back unseen.
        const rushAtMs = atMs + random() * 2_000
        const rush = Array.from(
          { length: 60 },
          (): CrowdCall => ({
            ...{ ...call, tokens: 1_000, expectedTokens: 1_000, usedTokens: 1_000 },
            atMs: rushAtMs + random() * 50,
          }),
        )
        const { outcomes, operations, lowestRoom, table } = await runCrowd(
          crowdOf(seed, { calls: [...light, ...rush], sandboxes: 20, random }),
        )
        expect(table.items.get('key')?.slackUntil).toBeDefined()
        expect(lowestRoom).toBeGreaterThanOrEqual(-2 * onTheWay)
        expect(lowestRoom).toBeLessThan(2_000 + 2 * onTheWay)
        const early = outcomes.filter(({ call }) => call.tokens === 400)
        expect(early.every(({ state }) => state === 'served')).toBe(true)
        // Each is taken and settled; sandboxes that have seen nothing yet, and refusals, are on top.
        expect(operations).toBeLessThan(2.2 * 200 + 20 + 3 * 60)
      }),
      runs,
    )
  })

  test('in an overload tenants that want their share get it, and few operations are spent on it', async () => {
    const random = seededRandom(11)
    const calls = Array.from({ length: 3_000 }, (_, n): CrowdCall => {
      const tokens = 200 + Math.floor(random() * 400)
      return {
        atMs: n * 100,
        tenant: n % 2 === 0 ? 'hog' : `light-${(n >> 1) % 9}`,
        tokens,
        expectedTokens: Math.floor(tokens / 2),
        usedTokens: Math.floor(tokens / 2),
        serviceMs: 1_000,
        maxWaitMs: 15_000,
      }
    })
    const { outcomes, operations, lowestRoom } = await runCrowd({
      limits,
      calls,
      sandboxes: 50,
      random,
      latencyMs: onTheWay,
    })
    const late = outcomes.filter(({ call }) => call.atMs > 60_000)
    const served = (tenant: string) => {
      const of = late.filter(({ call }) => call.tenant === tenant)
      return of.filter(({ state }) => state === 'served').length / of.length
    }
    const light = Array.from({ length: 9 }, (_, n) => served(`light-${n}`))
    // 1,000 tokens a second for ten tenants: 100 for each, of which a light one wants 111, and the hog 1,000.
    expect(Math.min(...light)).toBeGreaterThan(0.85)
    expect(served('hog')).toBeLessThan(0.35)
    expect(served('hog')).toBeGreaterThan(0.02)
    expect(lowestRoom).toBeGreaterThanOrEqual(-2 * onTheWay)
    expect(operations / calls.length).toBeLessThan(4)
  })
  test('in an overload of tenants that want the same, who waits is told when to start, and asks no more', async () => {
    const random = seededRandom(12)
    const calls = Array.from({ length: 3_000 }, (_, n): CrowdCall => {
      const tokens = 200 + Math.floor(random() * 400)
      return {
        atMs: n * 200,
        tenant: `tenant-${Math.floor(random() * 10)}`,
        tokens,
        expectedTokens: Math.ceil(tokens * 0.6),
        usedTokens: Math.ceil(tokens * 0.6),
        serviceMs: 1_000,
        maxWaitMs: 8_000,
      }
    })
    const { outcomes, operations, lowestRoom } = await runCrowd({
      ...{ limits, calls, sandboxes: 50, random },
      latencyMs: onTheWay,
    })
    // 1,200 tokens a second are wanted, and 1,000 are there.
    const served = outcomes.filter(({ state }) => state === 'served').length
    expect(served / calls.length).toBeGreaterThan(0.78)
    expect(operations / calls.length).toBeLessThan(2.2)
    expect(lowestRoom).toBeGreaterThanOrEqual(-2 * onTheWay)
  })
})
