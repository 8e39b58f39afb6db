import { expect, test } from 'vitest'
import { AA, summarize } from '../paired.ts'
import type { StreamArm } from './arm.ts'
import { streamReport } from './report.ts'
import type { AnyArm, StreamResults } from './stream.ts'

const arms: StreamArm[] = ['handWritten', 'handWrittenReused', 'sluice', 'aiSdk']

function results(changes: Partial<Record<AnyArm, number[]>> = {}): StreamResults {
  const figures: [AnyArm, number[]][] = [
    ['handWritten', [100, 200, 400]],
    ['handWrittenReused', [90, 180, 360]],
    ['sluice', [80, 160, 320]],
    ['aiSdk', [200, 400, 800]],
    [AA, [100, 202, 408]],
  ]
  const result = summarize(new Map(figures.map(([arm, rounds]) => [arm, changes[arm] ?? rounds])))
  return { token: result, firstByte: result }
}

test('the JSON has the agreed shape', () => {
  expect(streamReport(arms, results()).json).toEqual({
    cpuPerTokenUs: {
      handWritten: { us: 200, ratio: 1, ci: [1, 1] },
      handWrittenReused: { us: 180, ratio: 0.9, ci: [0.9, 0.9] },
      sluice: { us: 160, ratio: 0.8, ci: [0.8, 0.8] },
      aiSdk: { us: 400, ratio: 2, ci: [2, 2] },
    },
    ttfbMs: {
      handWritten: { ms: 200, ci: [100, 400] },
      handWrittenReused: { ms: 180, ci: [90, 360] },
      sluice: { ms: 160, ci: [80, 320] },
      aiSdk: { ms: 400, ci: [200, 800] },
    },
    aa: 1.01,
  })
})

test('a goal is met at its limit and missed when only the upper end is above it', () => {
  const verdict = (report: string) => /token, times aiSdk .*/.exec(report)?.[0].split(/\s+/).at(-1)
  expect(verdict(streamReport(arms, results()).text)).toBe('met')
  // The median is as before; one round is not.
  expect(verdict(streamReport(arms, results({ sluice: [80, 160, 330] })).text)).toBe('MISSED')
})

test('a run whose A/A arm strays is void', () => {
  expect(streamReport(arms, results()).voidReasons).toEqual([])
  expect(streamReport(arms, results({ [AA]: [104, 208, 416] })).voidReasons).toHaveLength(2)
})
