import type { RequestRecord } from 'sluice/local'
import { expect, test } from 'vitest'
import type { EndedCall } from './dispatch.ts'
import { figuresOf, type Run, windowOf } from './figures.ts'
import { settingsOf } from './fixtures.ts'
import { timelineOf } from './plot.ts'
import type { Settings } from './settings.ts'

const startMs = 1_000_000
const durationMs = 600_000

/** A call of 1,000 tokens in and 200 out: 2,000 are charged for it. */
function callAt(atMs: number, end: EndedCall['end'] = 'ok', tenant = 0): EndedCall {
  const arrival = {
    atMs,
    tenant,
    inputTokens: 1_000,
    outputTokens: 200,
    bytesPerToken: 4,
    killed: false,
  } as const
  return { arrival, endedMs: atMs + 5_000, waitedMs: atMs / 1_000, end }
}

function requestAt(atMs: number, more: Partial<RequestRecord> = {}): RequestRecord {
  const record = { at: startMs + atMs, totalMs: 3_000, inputTokens: 1_000, outputTokens: 200, ...more }
  return record as RequestRecord
}
const refusedAt = (atMs: number) => requestAt(atMs, { fault: 'quota:tokens', outputTokens: 0 })

function runOf(
  requests: readonly RequestRecord[],
  calls: readonly EndedCall[],
  { settledTokens, ...change }: Partial<Settings> & { settledTokens?: number } = {},
): Run {
  const settings = settingsOf({ tokensPerMinute: 10_000, tenants: [1], ...change })
  const charged = requests.filter(({ fault }) => !fault)
  return {
    ...{ settings, startMs, durationMs, window: windowOf(durationMs), calls, requests, operations: 30 },
    settledTokens:
      settledTokens ?? charged.reduce((sum, each) => sum + each.inputTokens + 5 * each.outputTokens, 0),
  }
}

/** One each 10 s. */
const times = Array.from({ length: 60 }, (_, index) => index * 10_000)

test('the first fifth is dropped', () => {
  const { attempts, calls } = figuresOf(
    runOf(
      times.map((at) => requestAt(at)),
      times.map((at) => callAt(at)),
    ),
  )
  expect(attempts).toBe(48)
  // Those that arrive less than a deadline before the end are not counted either.
  expect(calls).toBe(42)
})

test('goodput is what was settled within the window, as a part of the refill', () => {
  // 2,000 tokens each 10 s are 12,000 a minute, of a refill of 10,000.
  const { goodput } = figuresOf(
    runOf(
      times.map((at) => requestAt(at)),
      [],
    ),
  )
  expect(goodput).toBeCloseTo(1.2, 6)
})

test('what is settled counts when it is, not when it was sent', () => {
  const { goodput } = figuresOf(runOf([requestAt(119_000), requestAt(300_000)], []))
  expect(goodput).toBeCloseTo(4_000 / 80_000, 6)
})

test('what others settled is no goodput, and no refill for ours', () => {
  const foreign = times.map((at) => requestAt(at, { metadata: { tenant: 'tenant--1' }, outputTokens: 0 }))
  const { goodput, attempts } = figuresOf(runOf([...times.map((at) => requestAt(at)), ...foreign], []))
  expect(goodput).toBeCloseTo(12_000 / 4_000, 6)
  expect(attempts).toBe(48)
})

test('refusals stand beside attempts', () => {
  const refused = [200_000, 300_000, 1_000].map(refusedAt)
  const { throttled, throttledPerAttempt, throttledUpper95, goodput } = figuresOf(
    runOf([...times.map((at) => requestAt(at)), ...refused], []),
  )
  expect(throttled).toBe(2)
  expect(throttledPerAttempt).toBeCloseTo(2 / 50)
  expect(throttledUpper95).toBeCloseTo(0.135, 3)
  expect(goodput).toBeCloseTo(1.2, 6)
})

test('success, waits and requests to the store are of calls that ended; a killed call is nobody’s', () => {
  const calls = times.map((at, index) => callAt(at, (['ok', 'shed', 'late', 'killed'] as const)[index % 4]))
  const figures = figuresOf(runOf([], calls))
  expect(figures).toMatchObject({ calls: 32, ok: 11, shed: 11 })
  expect(figures.successWithinDeadline).toBeCloseTo(11 / 32)
  expect(figures.waitMs).toEqual({ p50: 320, p99: 520 })
  // 48 of them ended within the window.
  expect(figures.storeOpsPerCall).toBeCloseTo(30 / 48)
})

test('fairness is measured against what everybody could have', () => {
  const hog = times.flatMap((at) => [
    callAt(at, 'ok', 0),
    callAt(at + 1, 'shed', 0),
    callAt(at + 2, 'shed', 0),
  ])
  const light = times.map((at) => callAt(at + 3, at % 20_000 === 0 ? 'ok' : 'shed', 1))
  const { jain, lightTenantSuccess } = figuresOf(runOf([], [...hog, ...light], { tenants: [0.75, 0.25] }))
  // Either could have 5,000 a minute; one got 12,000 and the other 6,000.
  expect(jain).toBeCloseTo((12 + 6) ** 2 / (2 * (12 ** 2 + 6 ** 2)), 4)
  expect(lightTenantSuccess).toBeCloseTo(0.5)
})

test('who asks for little and gets it is as well off as who gets all the rest', () => {
  const light = times.filter((at) => at % 30_000 === 0).map((at) => callAt(at, 'ok', 1))
  // 70,000 in the seven minutes that count: 28,000 for the light one, 42,000 for the other.
  const hog = times.flatMap((at) => [
    callAt(at + 1, at % 20_000 === 0 ? 'ok' : 'shed', 0),
    callAt(at + 2, 'shed', 0),
  ])
  const { jain } = figuresOf(runOf([], [...hog, ...light], { tenants: [0.8, 0.2] }))
  expect(jain).toBeCloseTo(1, 6)
})

test('after the last of the killed could have ended, the time until all is served again', () => {
  const killed = callAt(200_000, 'killed')
  // Nothing from 150 to 290 s: the deadline of the killed is at 260 s.
  const requests = times.filter((at) => at < 150_000 || at >= 290_000).map((at) => requestAt(at))
  expect(figuresOf(runOf(requests, [killed], { kill: 0.05 })).recoveredAfterMs).toBe(25_000)
  expect(figuresOf(runOf(requests.slice(0, 10), [killed], { kill: 0.05 })).recoveredAfterMs).toBeUndefined()
})

test('accounts that do not agree are no figures', () => {
  expect(() => figuresOf(runOf([requestAt(200_000)], [], { settledTokens: 1_999 }))).toThrow('1999')
})

test('over time: what arrives, what is let in, what is refused', () => {
  const run = runOf(
    [requestAt(500), requestAt(700), refusedAt(1_500), requestAt(600, { metadata: { tenant: 'tenant--1' } })],
    [callAt(100), callAt(1_100), callAt(1_200), callAt(durationMs + 1)],
  )
  const { demand, admitted, refused } = timelineOf({ ...run, durationMs: 2_000 }, 1_000)
  expect({ demand, admitted, refused }).toEqual({ demand: [1, 2], admitted: [2, 0], refused: [0, 1] })
})
