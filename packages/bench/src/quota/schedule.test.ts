import { expect, test } from 'vitest'
import { settingsOf } from './fixtures.ts'
import { chargeOf, scheduleOf } from './schedule.ts'

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

test.each([0.5, 2])('a load of %d is that part of the refill', (load) => {
  const settings = settingsOf({ load })
  const { arrivals, durationMs } = scheduleOf(settings)
  const demand = sum(arrivals.map((arrival) => chargeOf(arrival, settings)))
  expect(demand / ((settings.tokensPerMinute * durationMs) / 60_000)).toBeCloseTo(load, 6)
  expect(arrivals).toHaveLength(2_000)
  expect(arrivals.at(-1)?.atMs).toBeLessThan(durationMs)
  expect(arrivals.at(-1)?.atMs).toBeGreaterThan(0.99 * durationMs)
})

test('arrivals come in their order, in bursts, and are the same for the same seed', () => {
  const { arrivals } = scheduleOf(settingsOf())
  const gaps = arrivals.slice(1).map(({ atMs }, index) => atMs - arrivals[index]!.atMs)
  const mean = sum(gaps) / gaps.length
  expect(Math.min(...gaps)).toBeGreaterThan(0)
  expect(gaps.filter((gap) => gap < mean / 100).length).toBeGreaterThan(0.1 * gaps.length)
  expect(scheduleOf(settingsOf()).arrivals).toEqual(arrivals)
  expect(scheduleOf(settingsOf({ seed: 2 })).arrivals).not.toEqual(arrivals)
})

test('tenants have their parts of the calls', () => {
  const { arrivals } = scheduleOf(settingsOf({ calls: 10_000 }))
  const part = (tenant: number) => arrivals.filter((arrival) => arrival.tenant === tenant).length / 10_000
  expect(part(0)).toBeCloseTo(0.5, 1)
  expect(part(2)).toBeCloseTo(0.25, 1)
})

test('a trace keeps its sizes and the shape of its time, and is run again where it is too short', () => {
  const trace = [
    { atMs: 0, inputTokens: 100, outputTokens: 10 },
    { atMs: 100, inputTokens: 200, outputTokens: 9_999 },
    { atMs: 400, inputTokens: 300, outputTokens: 30 },
  ]
  const { arrivals } = scheduleOf(settingsOf({ calls: 5 }), trace)
  expect(arrivals.map(({ inputTokens }) => inputTokens)).toEqual([100, 200, 300, 100, 200])
  expect(arrivals[1]?.outputTokens).toBe(4_096)
  const at = arrivals.map(({ atMs }) => atMs)
  expect(at[2]! / at[1]!).toBeCloseTo(4)
  expect(at[3]!).toBeGreaterThan(at[2]!)
  expect((at[4]! - at[3]!) / at[1]!).toBeCloseTo(1)
})

test('sandboxes die in the first part only, as often as they should', () => {
  const { arrivals, durationMs } = scheduleOf(settingsOf({ kill: 0.1, calls: 10_000 }))
  const killed = arrivals.filter((arrival) => arrival.killed)
  expect(killed.length / 6_000).toBeCloseTo(0.1, 1)
  expect(Math.max(...killed.map(({ atMs }) => atMs))).toBeLessThan(0.6 * durationMs)
})

test('others take a fifth of the quota, where that is what is wrong', () => {
  const settings = settingsOf({ wrong: 'foreign', calls: 10_000 })
  const { foreign, durationMs } = scheduleOf(settings)
  const taken = sum(foreign.map((arrival) => chargeOf(arrival, settings)))
  expect(taken / ((settings.tokensPerMinute * durationMs) / 60_000)).toBeCloseTo(0.2, 1)
  expect(scheduleOf(settingsOf()).foreign).toEqual([])
})
