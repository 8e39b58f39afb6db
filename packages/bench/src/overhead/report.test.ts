import { expect, test } from 'vitest'
import { AA, summarize } from '../paired.ts'
import type { ArmName } from './arm.ts'
import type { AnyArm, OverheadResults } from './overhead.ts'
import { overheadReport } from './report.ts'

const arms: ArmName[] = ['sdk', 'sdkReused', 'sluice']

function results(changes: Partial<Record<AnyArm, number[]>> = {}): OverheadResults {
  const figures: [AnyArm, number[]][] = [
    ['sdk', [100, 200, 400]],
    ['sdkReused', [60, 120, 240]],
    ['sluice', [65, 130, 260]],
    [AA, [100, 202, 408]],
  ]
  const result = summarize(new Map(figures.map(([arm, rounds]) => [arm, changes[arm] ?? rounds])))
  return { buffered: result, token: result, tokenAtOnce: result, firstToken: result }
}

test('the JSON has the agreed shape', () => {
  const cpu = {
    sdk: { us: 200, ratio: 1, ci: [1, 1] },
    sdkReused: { us: 120, ratio: 0.6, ci: [0.6, 0.6] },
    sluice: { us: 130, ratio: 0.65, ci: [0.65, 0.65] },
  }
  expect(overheadReport(arms, results()).json).toEqual({
    buffered: cpu,
    token: cpu,
    ttftMs: {
      sdk: { ms: 200, added: 0, ci: [0, 0] },
      sdkReused: { ms: 120, added: -80, ci: [-160, -40] },
      sluice: { ms: 130, added: -70, ci: [-140, -35] },
    },
    aa: 1.01,
  })
})

test('a goal is met at its limit and missed when only the upper end is above it', () => {
  const verdict = (report: string) => /buffered, times sdk .*/.exec(report)?.[0].split(/\s+/).at(-1)
  expect(verdict(overheadReport(arms, results()).text)).toBe('met')
  // The median is as before; one round is not.
  expect(verdict(overheadReport(arms, results({ sluice: [65, 130, 300] })).text)).toBe('MISSED')
})

test('a run whose A/A arm strays is void, and says by how much', () => {
  expect(overheadReport(arms, results()).voidReasons).toEqual([])
  const strayed = overheadReport(arms, results({ [AA]: [104, 208, 416] }))
  expect(strayed.voidReasons).toHaveLength(3)
  expect(strayed.voidReasons[0]).toContain('1.040')
})
