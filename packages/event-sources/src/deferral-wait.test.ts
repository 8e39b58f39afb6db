import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DeferralWait, deferralWaitMs } from './deferral-wait.ts'

const hours = 3_600_000
const deferred = fc.record({
  retryAfterMs: fc.option(fc.oneof(fc.nat(120_000), fc.nat(48 * hours)), { nil: undefined }),
  receives: fc.integer({ min: 1, max: 200 }),
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

test('who was received more often in vain waits no less', () => {
  fc.assert(
    fc.property(deferred, fc.nat(20), (wait, more) => {
      const later = deferralWaitMs({ ...wait, receives: wait.receives + more })
      expect(later).toBeGreaterThanOrEqual(deferralWaitMs(wait))
    }),
  )
})

test('whatever the hint, messages that are given it do not come in the same few seconds', () => {
  fc.assert(
    fc.property(fc.nat(48 * hours), fc.integer({ min: 1, max: 30 }), (retryAfterMs, receives) => {
      const comesIn = (random: number) =>
        deferralWaitMs({ retryAfterMs, receives, backoffMs: 10_000, random })
      expect(comesIn(1) - comesIn(0)).toBeGreaterThanOrEqual(10_000)
      expect(comesIn(0.5)).toBeCloseTo((comesIn(0) + comesIn(1)) / 2, 3)
    }),
  )
})

type Rule = (wait: DeferralWait) => number

/** As it was: behind the hint, a quarter of it. */
const allAtOnce: Rule = ({ retryAfterMs = 0, random }) => retryAfterMs * (1 + random / 4)

/** Sandboxes that empty a queue of 1,000 messages, ten at a time, at five a second: how often each was received. */
function emptied(rule: Rule): { receives: number; mostReceives: number; meanSeconds: number } {
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
        const wait = {
          retryAfterMs: 300,
          receives: message.receives,
          backoffMs: 10_000,
          random: random(),
        }
        message.atMs = nowMs + Math.ceil(rule(wait) / 1_000) * 1_000
      }
    }
    const over = new Set(done)
    waiting = waiting.filter((message) => !over.has(message))
  }
  const sum = (of: (message: (typeof done)[number]) => number) =>
    done.reduce((all, each) => all + of(each), 0)
  return {
    receives: sum(({ receives }) => receives) / done.length,
    mostReceives: Math.max(...done.map(({ receives }) => receives)),
    meanSeconds: sum(({ atMs }) => atMs) / done.length / 1_000,
  }
}

test('a queue with a backlog is emptied in few receives, and hardly later than by asking all the time', () => {
  const before = emptied(allAtOnce)
  const spread = emptied(deferralWaitMs)
  expect(before.receives).toBeGreaterThan(30)
  expect(spread.receives).toBeLessThan(6)
  // With a maxReceiveCount of ten, which the page asks for, none of them would fail for lack of quota.
  expect(spread.mostReceives).toBeLessThanOrEqual(8)
  expect(spread.meanSeconds).toBeLessThan(1.2 * before.meanSeconds)
})
