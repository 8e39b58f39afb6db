import { noBelief } from '@sluice/store'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { believed, blocked, lowered } from './belief.ts'

const now = 1_800_000_000_000
const after = (minutes: number) => now + minutes * 60_000

describe('after a refusal', () => {
  test('the burst goes below what was in use, the rate stays', () => {
    expect(lowered(noBelief, now, 500, 100)).toEqual({
      ratePermille: 1000,
      burstPermille: 400,
      blockedUntilMs: 0,
      changedAtMs: now,
    })
  })

  test('once the burst is as small as calls allow, the rate goes down', () => {
    const small = { ...noBelief, burstPermille: 100, changedAtMs: now }
    expect(lowered(small, now + 6_000, 100, 101)).toMatchObject({ ratePermille: 850, burstPermille: 101 })
  })

  test('refusals in quick succession are one event', () => {
    const first = lowered(noBelief, now, 500, 100)!
    expect(lowered(first, now + 4_999, 300, 100)).toBeUndefined()
    expect(lowered(first, now + 5_000, 300, 100)).toMatchObject({ burstPermille: 240 })
  })

  test('whatever happens, the belief stays within its bounds and what is believed only grows with time', () => {
    const event = fc.record({ afterMs: fc.nat(120_000), used: fc.nat(3000), least: fc.nat(1500) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let belief = noBelief
        let time = now
        for (const { afterMs, used, least } of events) {
          const before = believed(belief, time)
          time += afterMs
          const later = believed(belief, time)
          expect(later.ratePermille).toBeGreaterThanOrEqual(before.ratePermille)
          expect(later.burstPermille).toBeGreaterThanOrEqual(before.burstPermille)
          const next = lowered(belief, time, used, least)
          if (!next) continue
          expect(next.ratePermille).toBeLessThanOrEqual(later.ratePermille)
          expect(next.ratePermille).toBeGreaterThanOrEqual(100)
          expect(next.burstPermille).toBeGreaterThanOrEqual(50)
          expect(next.burstPermille).toBeLessThanOrEqual(1000)
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
