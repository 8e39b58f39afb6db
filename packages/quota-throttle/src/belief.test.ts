import { noBelief } from '@sluice/store'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { believed, blocked, lowered } from './belief.ts'

const now = 1_800_000_000_000
const after = (minutes: number) => now + minutes * 60_000

/** A refusal of somebody who has asked just now. */
const refusal = (usedPermille: number, leastBurstPermille = 10, askedAtMs = Infinity) => ({
  askedAtMs,
  usedPermille,
  leastBurstPermille,
})
const learned = (burstPermille: number, ratePermille = 1000) => ({
  ...noBelief,
  burstPermille,
  ratePermille,
  changedAtMs: now,
})

describe('after a refusal', () => {
  test('the burst goes below what was in use, the rate stays', () => {
    expect(lowered(noBelief, now, refusal(500))).toEqual({
      ratePermille: 1000,
      burstPermille: 400,
      blockedUntilMs: 0,
      changedAtMs: now,
    })
  })

  test('once something has been learned, the burst goes down by a fifth and no more', () => {
    expect(lowered(learned(400), now + 5_000, refusal(20))).toMatchObject({
      burstPermille: 320,
      ratePermille: 1000,
    })
    expect(lowered(learned(400), now + 5_000, refusal(359))).toMatchObject({ burstPermille: 320 })
  })

  test('what was learned long ago is found out anew', () => {
    expect(lowered(learned(400), after(55), refusal(100))).toMatchObject({ burstPermille: 760 })
    expect(lowered(learned(400), after(56), refusal(100))).toMatchObject({ burstPermille: 80 })
  })

  test('where the ledger itself was full, it is the rate that is wrong', () => {
    expect(lowered(learned(400), now + 5_000, refusal(360))).toMatchObject({
      burstPermille: 400,
      ratePermille: 850,
    })
    expect(lowered(learned(400, 900), now + 5_000, refusal(2_000))).toMatchObject({ ratePermille: 765 })
  })

  test('one refusal now and then, of a ledger that was full, is no reason to lower the rate', () => {
    expect(lowered(noBelief, now, refusal(2_000))).toMatchObject({ burstPermille: 800, ratePermille: 1000 })
    const rare = lowered(learned(400), after(2), refusal(2_000))
    expect(rare).toMatchObject({ burstPermille: 336, ratePermille: 1000 })
    expect(lowered(learned(400), after(2) - 1, refusal(2_000))).toMatchObject({ ratePermille: 850 })
  })

  test('once the burst is as small as calls allow, the rate goes down', () => {
    expect(lowered(learned(100), now + 5_000, refusal(10, 50))).toMatchObject({
      burstPermille: 100,
      ratePermille: 850,
    })
    expect(lowered(learned(110), now + 5_000, refusal(10, 54))).toMatchObject({
      burstPermille: 88,
      ratePermille: 1000,
    })
  })

  test('refusals in quick succession are one event', () => {
    const first = lowered(noBelief, now, refusal(500))!
    expect(lowered(first, now + 4_999, refusal(300))).toBeUndefined()
    expect(lowered(first, now + 5_000, refusal(300))).toMatchObject({ burstPermille: 320 })
  })

  test('who had asked before the last one says nothing new, however long it had to wait', () => {
    const first = lowered(noBelief, now, refusal(500))!
    expect(lowered(first, now + 40_000, refusal(300, 10, now - 1))).toBeUndefined()
    expect(lowered(first, now + 40_000, refusal(300, 10, now))).toMatchObject({ changedAtMs: now + 40_000 })
  })

  test('whatever happens, the belief stays within its bounds and what is believed only grows with time', () => {
    const event = fc.record({
      afterMs: fc.nat(120_000),
      waitedMs: fc.nat(60_000),
      used: fc.nat(3000),
      least: fc.nat(1500),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let belief = noBelief
        let time = now
        for (const { afterMs, waitedMs, used, least } of events) {
          const before = believed(belief, time)
          time += afterMs
          const later = believed(belief, time)
          expect(later.ratePermille).toBeGreaterThanOrEqual(before.ratePermille)
          expect(later.burstPermille).toBeGreaterThanOrEqual(before.burstPermille)
          const next = lowered(belief, time, refusal(used, least, time - waitedMs))
          if (!next) continue
          expect(next.ratePermille).toBeLessThanOrEqual(later.ratePermille)
          expect(next.burstPermille).toBeLessThanOrEqual(later.burstPermille)
          expect(next.ratePermille + next.burstPermille).toBeLessThan(
            later.ratePermille + later.burstPermille,
          )
          expect(next.ratePermille).toBeGreaterThanOrEqual(100)
          expect(next.burstPermille).toBeGreaterThanOrEqual(50)
          expect(Object.values(next).every(Number.isInteger)).toBe(true)
          belief = next
        }
      }),
    )
  })
})

test('what was learned wears off by a hundredth a minute', () => {
  const belief = { ratePermille: 900, burstPermille: 500, blockedUntilMs: 0, changedAtMs: now }
  expect(believed(belief, after(2))).toMatchObject({ ratePermille: 920, burstPermille: 520 })
  expect(believed(belief, after(600))).toMatchObject({ ratePermille: 1000, burstPermille: 1000 })
  expect(believed(belief, now - 5_000)).toMatchObject({ ratePermille: 900, burstPermille: 500 })
  expect(believed(noBelief, after(1))).toEqual(noBelief)
})

test('a blocked day keeps what else was learned', () => {
  const belief = { ratePermille: 900, burstPermille: 500, blockedUntilMs: 0, changedAtMs: now }
  expect(blocked(belief, after(1), after(16))).toEqual({
    ratePermille: 910,
    burstPermille: 510,
    blockedUntilMs: after(16),
    changedAtMs: after(1),
  })
})
