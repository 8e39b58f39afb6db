/** Which account of a budget a moment belongs to: that of a day, of a month, or of a slice of a rolling window. */

/** A day or a month by a calendar, or the length of a rolling window. */
export type BudgetPeriod = 'day' | 'month' | { readonly rollingMs: number }

/** The stretch of time of one account. */
export interface Span {
  /** `2026-11-21`, `2026-11`, or the number of a slice. */
  readonly id: string
  readonly endsAtMs: number
  /** When what was spent in it counts no more: at its end, or when it has left the window. */
  readonly leavesAtMs: number
  /** When nobody asks for its account any more. */
  readonly forgetAtMs: number
  /** Of a rolling window: the slices before this one that are still in it, the oldest first. */
  readonly older: readonly OlderSlice[]
}

export type OlderSlice = Pick<Span, 'id' | 'endsAtMs' | 'leavesAtMs'>

const dayMs = 24 * 60 * 60_000
/** Longer than the longest, so that the next one has begun: days have had 48 hours where the date line moved. */
const longestMs = { day: 3 * dayMs, month: 33 * dayMs }
/** A window counts in twelfths: the more there are, the more have to be read; the fewer, the later one leaves it. */
const slicesInWindow = 12

/** @throws RangeError when there is no such time zone */
export function spansOf(period: BudgetPeriod, timeZone: string): (nowMs: number) => Span {
  return typeof period === 'object' ? rollingSpans(period.rollingMs) : calendarSpans(period, timeZone)
}

/** Days have 23 to 25 hours where clocks change, and begin at one o'clock where they change at midnight. */
function calendarSpans(period: 'day' | 'month', timeZone: string): (nowMs: number) => Span {
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
  let current: (Span & { readonly fromMs: number }) | undefined

  function idAt(atMs: number): string {
    const { year, month, day } = Object.fromEntries(
      format.formatToParts(atMs).map(({ type, value }) => [type, value]),
    )
    return period === 'day' ? `${year}-${month}-${day}` : `${year}-${month}`
  }
  /** By halves: no other way to ask a calendar is right in every zone. */
  function endOf(id: string, fromMs: number): number {
    let [inside, outside] = [Math.floor(fromMs), Math.floor(fromMs) + longestMs[period]]
    while (outside - inside > 1) {
      const middle = Math.floor((inside + outside) / 2)
      if (idAt(middle) === id) inside = middle
      else outside = middle
    }
    return outside
  }

  return function spanAt(nowMs) {
    if (!current || nowMs < current.fromMs || nowMs >= current.endsAtMs) {
      const id = idAt(nowMs)
      const endsAtMs = endOf(id, nowMs)
      current = { id, fromMs: nowMs, endsAtMs, leavesAtMs: endsAtMs, forgetAtMs: endsAtMs + dayMs, older: [] }
    }
    return current
  }
}

function rollingSpans(rollingMs: number): (nowMs: number) => Span {
  const sliceMs = Math.ceil(rollingMs / slicesInWindow)
  const idOf = (slice: number) => `${sliceMs}x${slice}`
  const endOf = (slice: number) => (slice + 1) * sliceMs
  // Until the window of its last moment is over.
  const leaves = (slice: number) => endOf(slice + slicesInWindow)
  let current: (Span & { readonly slice: number }) | undefined

  return function spanAt(nowMs) {
    const slice = Math.floor(nowMs / sliceMs)
    if (current?.slice !== slice) {
      current = {
        slice,
        id: idOf(slice),
        endsAtMs: endOf(slice),
        leavesAtMs: leaves(slice),
        forgetAtMs: leaves(slice) + dayMs,
        older: Array.from({ length: slicesInWindow }, (_, index) => {
          const each = slice - slicesInWindow + index
          return { id: idOf(each), endsAtMs: endOf(each), leavesAtMs: leaves(each) }
        }),
      }
    }
    return current
  }
}
