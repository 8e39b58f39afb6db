import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { changes, limits, takeOf } from './fixtures/quota-changes.ts'
import { memoryQuotaStore } from './memory-quota-store.ts'
import { updateQuotaLedger } from './quota-ledger.ts'
import { type QuotaLedger, quotaLedger } from './quota-ledger-state.ts'
import type { QuotaLimits, QuotaTake } from './quota-store.ts'
import { type Arrival, jainIndex, runTraffic } from './testing/quota-store-traffic.ts'

const startMs = 1_700_000_000_000

/** The traffic of a test against a ledger in memory, whose time is moved by it. */
function traffic(arrivals: readonly Arrival[], quota: QuotaLimits = limits) {
  let nowMs = startMs
  const store = memoryQuotaStore({ now: () => nowMs })
  const harness = {
    open: () => store,
    now: () => nowMs,
    advance(durationMs: number) {
      nowMs += durationMs
    },
    reclaimMs: 0,
    exact: true,
  }
  return runTraffic(harness, [store], 'key', quota, arrivals)
}

const arrival = fc.record({
  atMs: fc.integer({ min: 0, max: 20_000 }),
  tenant: fc.constantFrom('a', 'b', 'c', 'd'),
  tokens: fc.integer({ min: 1, max: 1_000 }),
  part: fc.constantFrom(0, 0.2, 1, 1.4),
  serviceMs: fc.integer({ min: 0, max: 3_000 }),
  maxWaitMs: fc.constantFrom(0, 500, 5_000, 60_000),
  weight: fc.constantFrom(1, 2, 0.5),
  priority: fc.constantFrom('interactive', 'interactive', 'batch'),
})
const arrivals = fc
  .array(arrival, { minLength: 1, maxLength: 120, size: 'max' })
  .map((all): Arrival[] => all.map((each) => ({ ...each, usedTokens: Math.floor(each.tokens * each.part) })))

describe('whatever traffic comes', () => {
  test('the provider never has to say no, and everybody starts in time or is refused', async () => {
    const quotas: QuotaLimits[] = [limits, { ...limits, requests: { perMinute: 120, burst: 4 } }]
    await fc.assert(
      fc.asyncProperty(arrivals, fc.constantFrom(...quotas), async (arrivals, quota) => {
        const { calls, lowestRoom } = await traffic(arrivals, quota)
        expect(lowestRoom).toBeGreaterThan(-1e-6)
        for (const call of calls) {
          expect(['started', 'refused']).toContain(call.state)
          if (call.state === 'started') expect(call.startedMs - call.atMs).toBeLessThanOrEqual(call.maxWaitMs)
        }
      }),
      { numRuns: 200 },
    )
  })
})

test('whoever waits starts, however many newcomers there are after it', async () => {
  const call = { tokens: 200, usedTokens: 200, serviceMs: 100, maxWaitMs: 30_000, weight: 1 } as const
  // Twice what there is, each call from a tenant of its own that was never seen before.
  const newcomers = Array.from({ length: 300 }, (_, n) => ({ ...call, atMs: n * 100, tenant: `${n}` }))
  const batch = { ...call, atMs: 3_001, tenant: 'night', priority: 'batch' as const, maxWaitMs: 60_000 }
  const big = { ...call, atMs: 3_001, tenant: 'big', tokens: 1_000, usedTokens: 1_000 }
  const { calls } = await traffic([...newcomers, batch, big])
  const [night, large] = calls.slice(-2)
  expect(large?.state).toBe('started')
  expect(large?.startedMs).toBeLessThan(15_000)
  expect(night?.state).toBe('started')
})

test('at twice the load nobody asks often, shares are even, and nothing lies idle', async () => {
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  // Holds four times what is used in the end, so that most of the room comes from refunds.
  const calls = Array.from({ length: 2_400 }, () => {
    const tenant = random() < 0.5 ? 'hog' : `light-${Math.floor(random() * 9)}`
    const usedTokens = 20 + Math.floor(random() * 60)
    return {
      atMs: Math.floor(random() * 60_000),
      tenant,
      tokens: usedTokens + 150,
      usedTokens,
      serviceMs: 500 + Math.floor(random() * 2_000),
      maxWaitMs: 20_000,
    }
  })
  const result = await traffic(calls, { tokens: { perMinute: 60_000, burst: 6_000 } })
  const started = result.calls.filter(({ state }) => state === 'started')
  const light = result.calls.filter(({ tenant }) => tenant !== 'hog')
  const asked = result.calls.reduce((sum, call) => sum + call.asked, 0) / calls.length
  const served = started.filter(({ startedMs }) => startedMs >= 12_000 && startedMs < 60_000)
  const goodput = served.reduce((sum, { usedTokens }) => sum + usedTokens, 0) / 48_000
  const shares = Array.from({ length: 9 }, (_, n) => {
    const own = light.filter(({ tenant }) => tenant === `light-${n}`)
    return own.filter(({ state }) => state === 'started').length / own.length
  })
  expect(result.lowestRoom).toBeGreaterThan(-1e-6)
  expect(light.filter(({ state }) => state === 'started').length / light.length).toBeGreaterThan(0.98)
  expect(jainIndex(shares)).toBeGreaterThan(0.99)
  expect(goodput).toBeGreaterThan(0.95)
  expect(asked).toBeLessThan(3.2)
})

describe('who comes next', () => {
  const call = {
    tenant: 'one',
    tokens: 200,
    usedTokens: 200,
    serviceMs: 100,
    maxWaitMs: 60_000,
    weight: 1,
  } as const

  test('is interactive work that came later, before batch work', async () => {
    const full = { ...call, atMs: 0, tokens: 1_000, usedTokens: 1_000 }
    const batch = { ...call, atMs: 1, tenant: 'a', priority: 'batch' as const }
    const { calls } = await traffic([full, batch, { ...call, atMs: 2, tenant: 'b' }])
    const [, night, day] = calls.map(({ startedMs }) => startedMs)
    expect(day).toBeLessThan(night as number)
  })

  test('is batch work now and then, while interactive work always waits', async () => {
    const arrivals = ['interactive', 'batch'].flatMap((priority) =>
      Array.from({ length: 300 }, (_, n) => ({
        ...call,
        atMs: n,
        tenant: priority,
        priority: priority as 'batch',
        maxWaitMs: 1e9,
      })),
    )
    const { calls } = await traffic(arrivals)
    const soon = (priority: string) =>
      calls.filter((each) => each.priority === priority && each.startedMs < 50_000).length
    expect(soon('batch')).toBeGreaterThan(2)
    expect(soon('interactive') / soon('batch')).toBeGreaterThan(8)
  })

  test('is who uses less than it seemed, before who uses more', () => {
    const ledger = quotaLedger()
    const wait = (id: string, tenant: string, nowMs: number) =>
      updateQuotaLedger(
        ledger,
        { limits, takes: [takeOf({ id, tenant, tokens: 400, expectedTokens: 200, maxWaitMs: 60_000 })] },
        nowMs,
      )
    updateQuotaLedger(
      ledger,
      { limits, takes: [takeOf({ id: 'full', tokens: 1_000, expectedTokens: 1_000 })] },
      startMs,
    )
    for (const tenant of ['a', 'b', 'c']) for (const n of [1, 2]) wait(`${tenant}${n}`, tenant, startMs)
    // The first of a and b are out of the line. What a used was more than expected.
    const settled = { tokens: 400, expiresAtMs: 0, sent: true }
    wait('a1', 'a', startMs + 400)
    wait('b1', 'b', startMs + 800)
    const settlements = [
      { ...settled, id: 'a1', usedTokens: 400 },
      { ...settled, id: 'b1', usedTokens: 0 },
      // Nobody else is let in: it owes more than they gave back.
      { ...settled, id: 'full', tokens: 1_000, usedTokens: 2_000 },
    ]
    updateQuotaLedger(ledger, { limits, settlements }, startMs + 800)
    const service = (tenant: string) => ledger.lines.get(`1:${tenant}:interactive`)?.service ?? Number.NaN
    expect(service('a') - service('b')).toBe(400 * 1_000)
  })

  test('is not who waits for more than there ever is, since the limits are lower', () => {
    const ledger = quotaLedger()
    const first = [
      takeOf({ id: 'full', tokens: 1_000 }),
      takeOf({ id: 'big', tokens: 900, maxWaitMs: 60_000 }),
      takeOf({ id: 'small', tokens: 100, maxWaitMs: 60_000 }),
    ]
    updateQuotaLedger(ledger, { limits, takes: first }, startMs)
    const lower = { tokens: { perMinute: 60_000, burst: 500 } }
    const { answers, view } = updateQuotaLedger(
      ledger,
      { limits: lower, takes: first.slice(2) },
      startMs + 200,
    )
    expect(answers).toEqual([{ id: 'small', state: 'admitted' }])
    expect(view.waitingTokens).toBe(0)
  })
})

/** What the numbers of a ledger must be, counted again. */
function expectConsistent(ledger: QuotaLedger): void {
  const records = [...ledger.records.entries()]
  const of = (state: string) => records.filter(([, record]) => record.state === state).map(([, r]) => r)
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  expect(ledger.waiting).toBe(of('waiting').length)
  expect(ledger.waitingTokens).toBe(sum(of('waiting').map(({ tokens }) => tokens)))
  expect(ledger.granted).toBe(of('granted').length)
  expect(ledger.grantedTokens).toBe(sum(of('granted').map(({ tokens }) => tokens)))
  expect(ledger.refundTokens).toBe(
    sum(of('held').map(({ tokens, expectedTokens }) => tokens - expectedTokens)),
  )
  const inLine = [...ledger.lines].flatMap(([name, { waiters }]) => [...waiters].map((id) => [id, name]))
  const waiting = records.filter(([, { state }]) => state === 'waiting')
  expect(inLine.toSorted()).toEqual(waiting.map(([id, { line }]) => [id, line]).toSorted())
  for (const [name, line] of ledger.lines) {
    expect(line.tokens).toBe(sum([...line.waiters].map((id) => ledger.records.get(id)?.tokens ?? Number.NaN)))
    expect(ledger.idle.has(name)).toBe(false)
  }
  // Nobody is left behind: sooner or later everything is due.
  const due = ledger.due.take(Number.POSITIVE_INFINITY, 1e6)
  expect(due.toSorted()).toEqual(records.map(([id]) => id).toSorted())
}

describe('whatever changes come', () => {
  test('the numbers of the ledger are those of its records, and time ends all of them', () => {
    fc.assert(
      fc.property(changes, (steps) => {
        const ledger = quotaLedger()
        let nowMs = startMs
        for (const { elapsedMs, change } of steps) {
          nowMs += elapsedMs
          const made = change(nowMs)
          const { answers, view } = updateQuotaLedger(ledger, made, nowMs)
          expect(answers.map(({ id }) => id)).toEqual(made.takes?.map(({ id }) => id))
          if (made.limits.tokens) {
            expect(view.tokens + view.waitingTokens).toBeLessThanOrEqual(made.limits.tokens.burst)
          }
        }
        expectConsistent(ledger)
      }),
      { numRuns: 300 },
    )
  })

  test('what was charged is what is held, and what was settled, and what is probably used of what was lost', () => {
    const still: QuotaLimits = { tokens: { perMinute: 0, burst: 1e9 } }
    fc.assert(
      fc.property(changes, (steps) => {
        const ledger = quotaLedger()
        const known = new Map<string, QuotaTake>()
        let nowMs = startMs
        let settled = 0
        for (const { elapsedMs, change } of steps) {
          nowMs += elapsedMs
          const { takes = [], settlements = [], extensions = [] } = change(nowMs)
          // Ids of their own: those that come back after they were forgotten would be others.
          const fresh = takes.filter(({ id }) => !known.has(id))
          const once = new Map(settlements.toReversed().map(({ id, usedTokens }) => [id, usedTokens]))
          for (const [id, usedTokens] of once) if (ledger.records.has(id)) settled += usedTokens
          for (const take of fresh) known.set(take.id, take)
          updateQuotaLedger(ledger, { limits: still, settlements, extensions, takes: fresh }, nowMs)
          // What was lost for so long is forgotten, and stays charged as it was.
          if (elapsedMs > 900_000) return
        }
        const left = [...ledger.records.values()].map(({ state, tokens, expectedTokens }) =>
          state === 'lost' ? expectedTokens : tokens,
        )
        const charged = still.tokens ? still.tokens.burst - (ledger.tokenUnits ?? 6e13) / 60_000 : 0
        expect(charged).toBe(left.reduce((total, tokens) => total + tokens, settled))
      }),
      { numRuns: 300 },
    )
  })

  test('a clock that steps back lets nothing in twice', () => {
    const steps = fc.array(
      fc.record({
        elapsedMs: fc.integer({ min: -20_000, max: 25_000 }),
        tokens: fc.integer({ min: 1, max: 1_000 }),
      }),
      { minLength: 1, maxLength: 60, size: 'max' },
    )
    fc.assert(
      fc.property(steps, (steps) => {
        const ledger = quotaLedger()
        let [nowMs, latestMs, admitted] = [startMs, startMs, 0]
        updateQuotaLedger(ledger, { limits }, nowMs)
        for (const [index, { elapsedMs, tokens }] of steps.entries()) {
          nowMs = Math.max(nowMs + elapsedMs, latestMs - 60_000)
          latestMs = Math.max(latestMs, nowMs)
          const take = takeOf({ id: `${index}`, tokens, expectedTokens: tokens, expiresAtMs: startMs + 1e9 })
          const { answers } = updateQuotaLedger(ledger, { limits, takes: [take] }, nowMs)
          if (answers[0]?.state === 'admitted') admitted += tokens
        }
        expect(admitted).toBeLessThanOrEqual(1_000 + latestMs - startMs)
      }),
    )
  })
})
