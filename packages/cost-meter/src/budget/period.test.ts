import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { spansOf } from './period.ts'

const hourMs = 60 * 60_000
const dayMs = 24 * hourMs
/** Zones whose clocks change at midnight, by half an hour, never, or by a whole day. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'America/St_Johns',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Pacific/Kiritimati',
]
const zone = fc.constantFrom(...zones)
const instant = fc.integer({ min: Date.UTC(2010, 0), max: Date.UTC(2035, 0) })

/** Another way to ask: Intl's own text of the local day. */
function localDay(atMs: number, timeZone: string): string {
  return new Date(atMs).toLocaleDateString('sv-SE', { timeZone })
}

describe('days and months', () => {
  test('in UTC they are the ISO date', () => {
    fc.assert(
      fc.property(instant, (nowMs) => {
        const day = spansOf('day', 'UTC')(nowMs)
        const month = spansOf('month', 'UTC')(nowMs)
        const iso = new Date(nowMs).toISOString()
        expect([day.id, month.id]).toEqual([iso.slice(0, 10), iso.slice(0, 7)])
        expect(day.endsAtMs).toBe((Math.floor(nowMs / dayMs) + 1) * dayMs)
        const [year = 0, number = 0] = iso.split('-').map(Number)
        expect(month.endsAtMs).toBe(Date.UTC(year, number, 1))
      }),
    )
  })

  test('one ends with its last millisecond, in every zone', () => {
    fc.assert(
      fc.property(zone, instant, (timeZone, nowMs) => {
        const { id, endsAtMs, leavesAtMs, forgetAtMs, older } = spansOf('day', timeZone)(nowMs)
        expect(id).toBe(localDay(nowMs, timeZone))
        expect(localDay(endsAtMs - 1, timeZone)).toBe(id)
        expect(localDay(endsAtMs, timeZone) > id).toBe(true)
        expect(endsAtMs - nowMs).toBeLessThanOrEqual(25 * hourMs)
        expect([leavesAtMs, older]).toEqual([endsAtMs, []])
        expect(forgetAtMs).toBeGreaterThan(endsAtMs)
      }),
    )
  })

  test('a year of months and of days follow each other without a gap, and have known lengths', () => {
    for (const timeZone of zones) {
      const [dayAt, monthAt] = [spansOf('day', timeZone), spansOf('month', timeZone)]
      const from = spansOf('month', timeZone)(Date.UTC(2026, 0, 15)).endsAtMs
      const months = new Set<string>()
      for (let atMs = from; months.size < 12; ) {
        const month = monthAt(atMs)
        expect(months.has(month.id)).toBe(false)
        months.add(month.id)
        const hours = (month.endsAtMs - atMs) / hourMs
        expect(hours).toBeGreaterThanOrEqual(28 * 24 - 1)
        expect(hours).toBeLessThanOrEqual(31 * 24 + 1)
        const days: string[] = []
        for (; atMs < month.endsAtMs; atMs = dayAt(atMs).endsAtMs) days.push(dayAt(atMs).id)
        expect(atMs).toBe(month.endsAtMs)
        expect(days).toEqual(
          Array.from({ length: days.length }, (_, day) => `${month.id}-${String(day + 1).padStart(2, '0')}`),
        )
        expect(days.length).toBe(Math.round(hours / 24))
      }
    }
  })

  test('where clocks change, a day is shorter or longer', () => {
    const hoursOf = (timeZone: string, at: string) => {
      const spanAt = spansOf('day', timeZone)
      const before = spanAt(Date.parse(at) - dayMs).endsAtMs
      return (spanAt(before).endsAtMs - before) / hourMs
    }
    expect(hoursOf('Europe/Berlin', '2026-03-29T12:00Z')).toBe(23)
    expect(hoursOf('Europe/Berlin', '2026-10-25T12:00Z')).toBe(25)
    expect(hoursOf('Australia/Lord_Howe', '2026-04-05T00:00Z')).toBe(24.5)
    // There was no midnight: the day began at one o'clock.
    expect(
      new Date(spansOf('day', 'America/Sao_Paulo')(Date.parse('2018-11-03T12:00Z')).endsAtMs).toISOString(),
    ).toBe('2018-11-04T03:00:00.000Z')
    // There was no 30th of December.
    const apia = spansOf('day', 'Pacific/Apia')
    const last = apia(Date.parse('2011-12-29T20:00Z'))
    expect([last.id, apia(last.endsAtMs).id]).toEqual(['2011-12-29', '2011-12-31'])
  })

  test('a clock that goes back finds the day of then', () => {
    const spanAt = spansOf('day', 'UTC')
    expect(spanAt(Date.UTC(2026, 10, 21)).id).toBe('2026-11-21')
    expect(spanAt(Date.UTC(2026, 10, 20, 23, 59)).id).toBe('2026-11-20')
    expect(spanAt(Date.UTC(2026, 10, 20, 12)).id).toBe('2026-11-20')
  })
})

describe('rolling windows', () => {
  test('every moment of the window is in one of the slices that count, and no slice stays for more than a twelfth longer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 40 * dayMs }),
        instant,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (rollingMs, nowMs, share) => {
          const spanAt = spansOf({ rollingMs }, 'UTC')
          const now = spanAt(nowMs)
          const thenMs = nowMs - Math.floor(share * rollingMs)
          const then = spansOf({ rollingMs }, 'UTC')(thenMs)
          expect([now.id, ...now.older.map(({ id }) => id)]).toContain(then.id)
          expect(then.leavesAtMs - thenMs).toBeGreaterThan(rollingMs)
          const sliceMs = Math.ceil(rollingMs / 12)
          expect(then.leavesAtMs - thenMs).toBeLessThanOrEqual(rollingMs + sliceMs + 12)
          expect(now.forgetAtMs).toBeGreaterThan(now.leavesAtMs)
        },
      ),
    )
  })

  test('a slice leaves when it says so', () => {
    fc.assert(
      fc.property(fc.integer({ min: 12, max: dayMs }), instant, (rollingMs, nowMs) => {
        const spanAt = spansOf({ rollingMs }, 'UTC')
        const { id, leavesAtMs, endsAtMs } = spanAt(nowMs)
        const olderAt = (atMs: number) => spanAt(atMs).older.map(({ id }) => id)
        expect(olderAt(endsAtMs)).toContain(id)
        expect(olderAt(leavesAtMs - 1)).toContain(id)
        expect(olderAt(leavesAtMs)).not.toContain(id)
        const [same] = spanAt(leavesAtMs - 1).older
        expect(same).toEqual({ id, endsAtMs, leavesAtMs })
      }),
    )
  })
})
