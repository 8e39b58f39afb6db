import { expect, test } from 'vitest'
import { type QueueLoad, wholeLoad } from './load.ts'
import { queueReport, voidReasons } from './report.ts'
import type { ArmResult } from './run-arm.ts'

const load: QueueLoad = { ...wholeLoad, requestsPerSecond: 100 }

const result: ArmResult = {
  messages: 1_000,
  results: 999,
  deadLettered: 1,
  deadLetteredForQuota: 0,
  lost: 0,
  duplicated: 0,
  callsPerMessage: 1.02,
  floor: 1,
  reasons: { TypeError: 1 },
  deadAndDone: 0,
  seconds: 12.34,
  sentPerSecond: 200,
  shares: { faults: 0.02, kills: 0.01, duplicates: 0.005 },
  invocations: 100,
  timedOut: 2,
  deliveriesPerMessage: 1,
  throttled: 0,
}

function verdicts(more: Partial<ArmResult>): (string | undefined)[] {
  const { text } = queueReport({ sluice: { ...result, ...more }, naive: result }, load)
  return text.split('\n').flatMap((line) => line.match(/(met|MISSED)$/)?.[1] ?? [])
}

test('the JSON has the agreed shape', () => {
  const { json } = queueReport({ sluice: result, naive: { ...result, lost: 3 } }, load)
  const figures = {
    messages: 1_000,
    results: 999,
    deadLettered: 1,
    deadLetteredForQuota: 0,
    lost: 0,
    duplicated: 0,
    callsPerMessage: 1.02,
    floor: 1,
    seconds: 12.3,
  }
  expect(json).toEqual({ sluice: figures, naive: { ...figures, lost: 3 } })
})

test('each goal is missed alone', () => {
  expect(verdicts({})).toEqual(['met', 'met', 'met', 'met'])
  expect(verdicts({ lost: 1 })).toEqual(['MISSED', 'met', 'met', 'met'])
  expect(verdicts({ reasons: { unknown: 1 } })).toEqual(['met', 'MISSED', 'met', 'met'])
  expect(verdicts({ deadLetteredForQuota: 1 })).toEqual(['met', 'met', 'MISSED', 'met'])
  expect(verdicts({ callsPerMessage: 1.021 })).toEqual(['met', 'met', 'met', 'MISSED'])
})

test('a run in which less went wrong than was asked for, or came too slowly, is none', () => {
  const reasons = (more: Partial<ArmResult>) =>
    voidReasons({ sluice: result, naive: { ...result, ...more } }, load)
  expect(reasons({})).toEqual([])
  expect(reasons({ sentPerSecond: 179 })).toMatchObject([
    expect.stringContaining('naive: 179 messages a second'),
  ])
  expect(reasons({ timedOut: 3 })).toMatchObject([expect.stringContaining('naive: 3 of 100 invocations')])
  expect(reasons({ shares: { ...result.shares, kills: 0.007 } })).toEqual([
    'naive: 0.70 % kills, where 1.00 % were asked for.',
  ])
  expect(reasons({ shares: { faults: 0, kills: 0, duplicates: 0 } })).toHaveLength(3)
})
