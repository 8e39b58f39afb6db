import { expect, test } from 'vitest'
import { AA, summarize } from '../paired.ts'
import type { Arm } from './cost.ts'
import { costReport } from './report.ts'

const grades = {
  sluice: { right: 9, wrong: [], unclaimed: 0 },
  genaiPrices: { right: 5, wrong: ['a sibling'], unclaimed: 2 },
  tokenlens: { right: 4, wrong: [], unclaimed: 4 },
}

function report(figures: Partial<Record<Arm | typeof AA, number[]>> = {}, more = {}) {
  const all: [Arm | typeof AA, number[]][] = [
    ['stringify', [1, 1, 1]],
    ['sluice', [0.2, 0.2, 0.2]],
    ['genaiPrices', [8, 8, 8]],
    ['tokenlens', [2, 2, 2]],
    [AA, [1, 1.01, 1]],
  ]
  const result = summarize(new Map(all.map(([arm, rounds]) => [arm, figures[arm] ?? rounds])))
  return costReport({ ...grades, ...more }, { all: 9, plain: 8 }, result)
}

const verdicts = (text: string) => [...text.matchAll(/(?<= )(met|MISSED)$/gm)].map(([word]) => word)

test('the JSON has the agreed shape', () => {
  expect(report().json).toEqual({
    usPerRecord: { sluice: 0.2, stringify: 1, genaiPrices: 8, tokenlens: 2 },
    wrong: { sluice: 0, genaiPrices: 1, tokenlens: 0 },
    cases: 9,
  })
})

test('a goal is met at its limit, and missed when only the worse end is beyond', () => {
  expect(verdicts(report().text)).toEqual(['met', 'met', 'met', 'met'])
  expect(verdicts(report({ tokenlens: [1.9, 2, 2.1] }).text)).toEqual(['met', 'met', 'MISSED', 'met'])
  expect(verdicts(report({ sluice: [2.1, 0.1, 0.1] }).text)[0]).toBe('MISSED')
})

test('an own case without an answer is a miss, too', () => {
  const text = report({}, { sluice: { right: 8, wrong: [], unclaimed: 1 } }).text
  expect(verdicts(text).at(-1)).toBe('MISSED')
})

test('wrong prices are named', () => {
  expect(report().text).toContain('genaiPrices: a sibling')
})

test('a machine that cannot tell two copies apart makes no figure', () => {
  expect(report().voidReasons).toEqual([])
  expect(report({ [AA]: [1.1, 1.1, 1.1] }).voidReasons).toHaveLength(1)
})
