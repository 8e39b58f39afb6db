import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DeferralWait, deferralWaitMs } from './deferral-wait.ts'

const hours = 3_600_000
const deferred = fc.record({
  retryAfterMs: fc.option(fc.oneof(fc.nat(120_000), fc.nat(48 * hours)), { nil: undefined }),
  receiveCount: fc.integer({ min: 1, max: 200 }),
  ageMs: fc.nat(14 * 24 * hours),
  countsReceives: fc.boolean(),
  backoffMs: fc.oneof(fc.nat(60_000), fc.nat(24 * hours)),
  random: fc.double({ min: 0, max: 1, noNaN: true }),
})

test('never before its hint, and never for as long as SQS refuses, or Lambda has used up already', () => {
  fc.assert(
    fc.property(deferred, (wait) => {
      const waitMs = deferralWaitMs(wait)
      expect(waitMs).toBeGreaterThanOrEqual(Math.min(wait.retryAfterMs ?? wait.backoffMs, 10 * hours))
      // 12 hours, of which 15 minutes of work and 5 of collecting the batch may be over.
      expect(waitMs).toBeLessThan(12 * hours - 20 * 60_000)
    }),
  )
})

test('who was received more often in vain, or is older, waits no less', () => {
  fc.assert(
    fc.property(deferred, fc.nat(20), (wait, more) => {
      const older = deferralWaitMs({ ...wait, ageMs: wait.ageMs + 60_000 * more })
      expect(older).toBeGreaterThanOrEqual(deferralWaitMs(wait))
      const later = deferralWaitMs({ ...wait, receiveCount: wait.receiveCount + more })
      expect(later).toBeGreaterThanOrEqual(deferralWaitMs(wait))
    }),
  )
})

test('whatever the hint, messages that are given it do not come in the same few seconds', () => {
  fc.assert(
    fc.property(deferred, fc.nat(48 * hours), (wait, retryAfterMs) => {
      const comesIn = (random: number) => deferralWaitMs({ ...wait, retryAfterMs, backoffMs: 10_000, random })
      expect(comesIn(1) - comesIn(0)).toBeGreaterThanOrEqual(10_000)
      expect(comesIn(0.5)).toBeCloseTo((comesIn(0) + comesIn(1)) / 2, 3)
    }),
  )
})

type Rule = (wait: DeferralWait) => number

/** As it was: behind the hint, a quarter of it. */
const allAtOnce: Rule = ({ retryAfterMs = 0, random }) => retryAfterMs * (1 + random / 4)

/** Sandboxes that empty a queue of 1,000 messages, ten at a time, at five a second. */
function emptied(rule: Rule, countsReceives: boolean) {
  // Always the same numbers.
  let state = 1
  const random = () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
  let waiting = Array.from({ length: 1_000 }, () => ({ receives: 0, atMs: 0 }))
  const done: typeof waiting = []
  let room = 5
  for (let nowMs = 0; waiting.length > 0; nowMs += 200) {
    room = Math.min(5, room + 1)
    const visible = waiting.filter(({ atMs }) => atMs <= nowMs)
    for (const message of visible.slice(0, 40)) {
      message.receives++
      if (room >= 1) {
        room--
        message.atMs = nowMs
        done.push(message)
      } else {
        const told = { retryAfterMs: 300, receiveCount: message.receives, ageMs: nowMs, countsReceives }
        const waitMs = rule({ ...told, backoffMs: 10_000, random: random() })
        message.atMs = nowMs + Math.ceil(waitMs / 1_000) * 1_000
      }
    }
    const over = new Set(done)
    waiting = waiting.filter((message) => !over.has(message))
  }
  const mean = (of: (message: (typeof done)[number]) => number) =>
    done.reduce((sum, each) => sum + of(each), 0) / done.length
  return {
    receives: mean(({ receives }) => receives),
    mostReceives: Math.max(...done.map(({ receives }) => receives)),
    meanSeconds: mean(({ atMs }) => atMs) / 1_000,
    lastSeconds: Math.max(...done.map(({ atMs }) => atMs)) / 1_000,
  }
}

const before = emptied(allAtOnce, true)

test('where receives are counted, a backlog takes few of them', () => {
  const spread = emptied(deferralWaitMs, true)
  expect(before.receives).toBeGreaterThan(30)
  expect(spread.receives).toBeLessThan(6)
  // With a maxReceiveCount of ten, which the page asks for, none of them would fail for lack of quota.
  expect(spread.mostReceives).toBeLessThanOrEqual(8)
  expect(spread.meanSeconds).toBeLessThan(1.2 * before.meanSeconds)
})

test('where they are not, it is emptied hardly later than by asking all the time', () => {
  const spread = emptied(deferralWaitMs, false)
  expect(spread.receives).toBeLessThan(before.receives / 3)
  expect(spread.meanSeconds).toBeLessThan(1.05 * before.meanSeconds)
  expect(spread.lastSeconds).toBeLessThan(1.4 * before.lastSeconds)
})
