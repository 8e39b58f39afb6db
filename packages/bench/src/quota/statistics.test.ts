import { expect, test } from 'vitest'
import { jain, maxMinShares, quantile, upper95 } from './statistics.ts'

test('a share of which nothing was seen is bounded all the same', () => {
  expect(upper95(0, 20_000)).toBeCloseTo(0.000192, 6)
  // Wilson's interval of 5 in 100, as in the tables.
  expect(upper95(5, 100)).toBeCloseTo(0.1118, 4)
  expect(upper95(0, 0)).toBe(1)
})

test('nobody gets more than they ask for, and what they leave goes to the others alike', () => {
  expect(maxMinShares([8, 1, 4], 9)).toEqual([4, 1, 4])
  expect(maxMinShares([10, 1, 10], 9)).toEqual([4, 1, 4])
  expect(maxMinShares([1, 2], 9)).toEqual([1, 2])
})

test("Jain's index is 1 for equals, and one nth where one has all", () => {
  expect(jain([3, 3, 3])).toBe(1)
  expect(jain([5, 0, 0, 0])).toBe(0.25)
  expect(jain([1, 0.5])).toBeCloseTo(0.9)
})

test('quantiles', () => {
  expect(quantile([5, 1, 3], 0.5)).toBe(3)
  expect(quantile([5, 1, 3], 0.99)).toBe(5)
  expect(quantile([], 0.5)).toBe(0)
})
