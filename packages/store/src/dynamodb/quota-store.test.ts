import { describe, expect, test } from 'vitest'
import { memoryItemTable } from '../fixtures/memory-item-table.ts'
import type { QuotaLimits, QuotaTake } from '../quota-store.ts'
import { quotaStoreConformance } from '../testing.ts'
import { reclaimMs } from './quota-holds.ts'
import { quotaStoreOn } from './quota-store.ts'

describe('conformance of the planner, on items in memory', () => {
  const table = memoryItemTable()
  let nowMs = 1_700_000_000_000
  const suite = quotaStoreConformance(() => ({
    open: ({ skewMs = 0 } = {}) => quotaStoreOn(table, { now: () => nowMs + skewMs }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    reclaimMs,
    exact: false,
  }))
  for (const { name, run } of suite) test(name, run)
})

describe('a ledger', () => {
  const limits: QuotaLimits = { tokens: { perMinute: 60, burst: 10_000 } }

  /** Sandboxes with clocks that stand still unless they are moved. */
  function ledger() {
    const table = memoryItemTable()
    let nowMs = 1_700_000_000_000
    return {
      item: () => table.items.get('key') ?? {},
      open: () => quotaStoreOn(table, { now: () => nowMs, random: () => 0 }),
      advance(durationMs: number) {
        nowMs += durationMs
      },
      takeOf: (id: string, tokens: number, more: Partial<QuotaTake> = {}): QuotaTake => ({
        id,
        tokens,
        expectedTokens: tokens,
        expiresAtMs: nowMs + 60_000,
        maxWaitMs: 0,
        tenant: 'one',
        weight: 1,
        priority: 'interactive',
        ...more,
      }),
    }
  }

  test('of many who find a dead holder at the same time, one gives back what it held', async () => {
    const { open, takeOf, advance } = ledger()
    await open().update('key', { limits, takes: [takeOf('dead', 8_000, { expectedTokens: 6_000 })] })
    advance(60_000 + reclaimMs)
    const all = await Promise.all(Array.from({ length: 20 }, () => open().update('key', { limits })))
    for (const { view } of all) expect(view.tokens).toBe(10_000 - 6_000 + 60 + reclaimMs / 1_000)
  })

  test('a holder that comes back after others gave back its hold is charged the rest, once', async () => {
    const { open, takeOf, advance } = ledger()
    const [one, other] = [open(), open()]
    const take = takeOf('late', 8_000, { expectedTokens: 2_000 })
    await one.update('key', { limits, takes: [take] })
    advance(60_000 + reclaimMs)
    await other.update('key', {
      limits,
      takes: [takeOf('next', 1_000, { expiresAtMs: Number.MAX_SAFE_INTEGER })],
    })
    const settlement = { ...take, usedTokens: 5_000, sent: true }
    for (let n = 0; n < 2; n++) await one.update('key', { limits, settlements: [settlement] })
    const { view } = await other.update('key', { limits })
    expect(view.tokens).toBe(10_000 - 5_000 - 1_000 + 60 + reclaimMs / 1_000)
  })

  test('what is given back and taken in one operation does not fill the bucket beyond its burst', async () => {
    const { open, takeOf, advance } = ledger()
    const store = open()
    const take = takeOf('a', 5_000)
    await store.update('key', { limits, takes: [take] })
    advance(10_000)
    const settlement = { ...take, usedTokens: 0, sent: false }
    const change = { limits, settlements: [settlement], takes: [takeOf('b', 4_000)] }
    expect((await store.update('key', change)).view.tokens).toBe(6_000)
  })

  test('takes that come together wait one after the other', async () => {
    const { open, takeOf } = ledger()
    const takes = ['a', 'b', 'c'].map((id) => takeOf(id, 9_900, { maxWaitMs: 86_400_000 }))
    const { answers } = await open().update('key', { limits, takes })
    expect(answers).toMatchObject([
      { state: 'admitted' },
      { state: 'waiting', startInMs: 9_800_000, askInMs: 9_800_000 },
      { state: 'waiting', startInMs: 19_700_000 },
    ])
  })

  test('a waiter whose time is over is sent away, however much may still come back, and leaves the line', async () => {
    const { open, takeOf, advance } = ledger()
    const store = open()
    await store.update('key', { limits, takes: [takeOf('runs', 9_900, { expectedTokens: 0 })] })
    const patient = takeOf('waits', 5_000, { maxWaitMs: 5_000_000 })
    const [first] = (await store.update('key', { limits, takes: [patient] })).answers
    if (first?.state !== 'waiting') throw new Error(`It is ${first?.state}.`)
    advance(60_000)
    const late = { ...patient, maxWaitMs: 0, ticket: first.ticket }
    const { answers, view } = await store.update('key', { limits, takes: [late] })
    // 4,900 tokens were missing, of which 60 have come since.
    expect(answers).toEqual([
      { id: 'waits', state: 'refused', limit: 'tokens', waitMs: 4_840_000, overBy: 4_840 },
    ])
    expect(view.tokens).toBe(160)
  })

  test('who waits for longer than was foreseen keeps its place when its hold would have expired', async () => {
    const { open, takeOf, advance } = ledger()
    const [one, other] = [open(), open()]
    const patient = takeOf('waits', 5_000, { maxWaitMs: 86_400_000, expectedTokens: 1_000 })
    const runs = takeOf('runs', 9_900, { expectedTokens: 0, expiresAtMs: patient.expiresAtMs + 86_400_000 })
    await one.update('key', { limits, takes: [runs] })
    const [first] = (await one.update('key', { limits, takes: [patient] })).answers
    if (first?.state !== 'waiting') throw new Error(`It is ${first?.state}.`)
    advance(50_000)
    await one.update('key', { limits, takes: [{ ...patient, ticket: first.ticket }] })
    advance(60_000 + reclaimMs)
    const { view } = await other.update('key', { limits })
    expect(view.tokens).toBe(10_000 - 9_900 - 5_000 + 50 + 60 + reclaimMs / 1_000)
  })

  test('a holder that says that it lives writes only when its half minute is over', async () => {
    const { open, takeOf, advance, item } = ledger()
    const store = open()
    const take = takeOf('runs', 5_000, { expectedTokens: 1_000 })
    await store.update('key', { limits, takes: [take] })
    const before = item()
    const soon = { ...take, nextExpiresAtMs: take.expiresAtMs + 1 }
    expect((await store.update('key', { limits, extensions: [soon] })).operations).toBe(0)
    expect(item()).toEqual(before)
    const later = { ...take, expiresAtMs: take.expiresAtMs + 1, nextExpiresAtMs: take.expiresAtMs + 60_000 }
    expect((await store.update('key', { limits, extensions: [later] })).operations).toBe(1)
    advance(60_000 + reclaimMs)
    const { view } = await open().update('key', { limits })
    expect(view.tokens).toBe(10_000 - 5_000 + 60 + reclaimMs / 1_000)
  })

  test('who was told when to start is held until then', async () => {
    const { open, takeOf, advance } = ledger()
    const [one, other] = [open(), open()]
    await one.update('key', { limits, takes: [takeOf('runs', 9_900)] })
    const patient = takeOf('waits', 5_000, { maxWaitMs: 86_400_000, expectedTokens: 1_000 })
    const [answer] = (await one.update('key', { limits, takes: [patient] })).answers
    expect(answer).toMatchObject({ startInMs: 4_900_000 })
    advance(4_900_000)
    expect((await other.update('key', { limits })).view.tokens).toBe(0)
    advance(reclaimMs + 10_000)
    expect((await other.update('key', { limits })).view.tokens).toBe(4_000 + reclaimMs / 1_000 + 10)
  })

  test('who may start much sooner, because those ahead hold more than they use, is told to ask', async () => {
    const { open, takeOf } = ledger()
    const store = open()
    await store.update('key', { limits, takes: [takeOf('runs', 9_900, { expectedTokens: 100 })] })
    const patient = takeOf('waits', 5_000, { maxWaitMs: 86_400_000 })
    const [answer] = (await store.update('key', { limits, takes: [patient] })).answers
    expect(answer).toMatchObject({ state: 'waiting', askInMs: expect.any(Number) })
    expect(answer).not.toHaveProperty('startInMs')
  })

  test.each([
    { expectedTokens: 2_500, state: 'refused' },
    { expectedTokens: 2_400, state: 'waiting' },
  ])(
    'only who holds more than twice what it expects to use hopes for what comes back: $state',
    async ({ expectedTokens, state }) => {
      const { open, takeOf } = ledger()
      const store = open()
      await store.update('key', { limits, takes: [takeOf('runs', 9_900, { expectedTokens: 0 })] })
      const take = takeOf('waits', 5_000, { expectedTokens, maxWaitMs: 4_899_999 })
      expect((await store.update('key', { limits, takes: [take] })).answers).toMatchObject([{ state }])
    },
  )

  test('who only watches is counted, and is never in the way of itself', async () => {
    const { open, takeOf } = ledger()
    const takes = ['a', 'b'].map((id) => takeOf(id, 12_000, { force: true }))
    const { answers, view } = await open().update('key', { limits, takes })
    expect(answers.map(({ state }) => state)).toEqual(['admitted', 'admitted'])
    expect(view.tokens).toBe(-14_000)
  })

  test('a rate that is learned to be lower does not give back more than was held', async () => {
    const { open, takeOf } = ledger()
    const store = open()
    const take = takeOf('a', 6_000)
    await store.update('key', { limits, takes: [take, takeOf('b', 3_000)] })
    const half: QuotaLimits = { tokens: { perMinute: 30, burst: 5_000 } }
    const { view } = await store.update('key', {
      limits: half,
      settlements: [{ ...take, usedTokens: 1_000, sent: true }],
    })
    // The 4,000 s that are still charged are 2,000 tokens now.
    expect(view.tokens).toBe(3_000)
  })

  describe('who is over the share of its tenant in a crowd', () => {
    const fast: QuotaLimits = { tokens: { perMinute: 60_000, burst: 20_000 } }

    /** Two tenants have taken so much that their shares count: 2,500 tokens in 5 s for each. */
    async function crowd() {
      const { open, takeOf } = ledger()
      const [one, other, third] = [open(), open(), open()]
      const takes = [
        takeOf('a', 8_000, { tenant: 'two', expectedTokens: 1_000 }),
        takeOf('b', 8_000, { expectedTokens: 2_500 }),
      ]
      for (const take of takes) await one.update('key', { limits: fast, takes: [take] })
      await other.update('key', { limits: fast })
      const more = (id: string) => takeOf(id, 3_000, { expectedTokens: 2_400, maxWaitMs: 30_000 })
      const leave = () =>
        third.update('key', {
          limits: fast,
          settlements: takes.map((take) => ({ ...take, usedTokens: 0, sent: true })),
        })
      return { one, other, more, leave }
    }

    test('claims a turn in one operation', async () => {
      const { one, more } = await crowd()
      const { answers, operations } = await one.update('key', { limits: fast, takes: [more('c')] })
      expect(answers).toEqual([{ id: 'c', state: 'waiting', askInMs: 5_000, ticket: 'turn' }])
      expect(operations).toBe(1)
    })

    test('is let in where the crowd has gone since it looked', async () => {
      const { one, more, leave } = await crowd()
      await leave()
      const { answers } = await one.update('key', { limits: fast, takes: [more('c')] })
      expect(answers).toEqual([{ id: 'c', state: 'admitted' }])
    })

    test('takes a later turn where another one has claimed the first since it looked', async () => {
      const { one, other, more } = await crowd()
      await other.update('key', { limits: fast, takes: [more('c')] })
      const { answers } = await one.update('key', { limits: fast, takes: [more('d')] })
      expect(answers).toEqual([{ id: 'd', state: 'waiting', askInMs: 10_000, ticket: 'turn' }])
    })
  })

  test('tenants that want about the same wait in one line, and one that wants more waits for its turn', async () => {
    const { open, takeOf, advance } = ledger()
    const fast: QuotaLimits = { tokens: { perMinute: 60_000, burst: 20_000 } }
    const store = open()
    const take = async (id: string, tokens: number, tenant: string) => {
      const takes = [takeOf(id, tokens, { tenant, maxWaitMs: 30_000 })]
      return (await store.update('key', { limits: fast, takes })).answers[0]
    }
    for (const tenant of ['one', 'two', 'three']) await take(`first of ${tenant}`, 6_000, tenant)
    advance(5_000)
    for (const tenant of ['one', 'two', 'three']) {
      expect(await take(`second of ${tenant}`, 6_000, tenant)).not.toMatchObject({ ticket: 'turn' })
    }
    expect(await take('third of one', 6_000, 'one')).toMatchObject({ startInMs: 17_000 })
    expect(await take('fourth of one', 6_000, 'one')).toMatchObject({ ticket: 'turn' })
  })

  test('the item of a busy day stays small', async () => {
    const { open, takeOf, advance, item } = ledger()
    const fast: QuotaLimits = { tokens: { perMinute: 600_000, burst: 600_000 } }
    const stores = Array.from({ length: 10 }, () => open())
    for (let n = 0; n < 3_000; n++) {
      advance(250)
      const store = stores[n % 10] as (typeof stores)[number]
      const take = takeOf(String(n), 4_000, { tenant: `t${n % 10}`, expectedTokens: 1_000 })
      await store.update('key', { limits: fast, takes: [take] })
      if (n % 50 > 0) {
        await store.update('key', { limits: fast, settlements: [{ ...take, usedTokens: 900, sent: true }] })
      }
    }
    // As DynamoDB counts: names in full, numbers by half of their digits and one more.
    const bytes = Object.entries(item()).map(
      ([name, value]) => name.length + Math.ceil(String(value).length / 2) + 1,
    )
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(900)
  })
})
