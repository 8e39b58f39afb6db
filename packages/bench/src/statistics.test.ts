import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bootstrapInterval, median, relativeSpread } from './statistics.ts'

const figures = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 })
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('median', () => {
  test.each([
    [[7], 7],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    // Numbers, not text: sorted as text, 10 would stand before 9.
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  test('leaves its input as it was', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })

  test('of nothing is an error, not a number', () => {
    expect(() => median([])).toThrow(RangeError)
  })
})

describe('bootstrapInterval', () => {
  test('contains the median, whatever the figures and the seed', () => {
    fc.assert(
      fc.property(figures, seeds, (values, seed) => {
        const [low, high] = bootstrapInterval(values, { seed, resamples: 400 })
        expect(low).toBeLessThanOrEqual(median(values))
        expect(high).toBeGreaterThanOrEqual(median(values))
      }),
    )
  })

  test('scales with its figures', () => {
    fc.assert(
      fc.property(figures, seeds, fc.integer({ min: -10, max: 10 }), (values, seed, power) => {
        // By a power of two, which no rounding touches.
        const factor = 2 ** power
        const [low, high] = bootstrapInterval(values, { seed, resamples: 200 })
        const scaled = values.map((value) => value * factor)
        expect(bootstrapInterval(scaled, { seed, resamples: 200 })).toEqual([low * factor, high * factor])
      }),
    )
  })

  test('is the same for the same seed and differs for another', () => {
    const values = Array.from({ length: 31 }, (_, at) => Math.sqrt(at))
    expect(bootstrapInterval(values, { seed: 5 })).toEqual(bootstrapInterval(values, { seed: 5 }))
    const others = [1, 2, 3, 4, 6, 7].map((seed) => bootstrapInterval(values, { seed, resamples: 50 }))
    expect(new Set(others.map(String)).size).toBeGreaterThan(1)
  })

  test('has no width when all figures agree', () => {
    expect(bootstrapInterval([2, 2, 2, 2])).toEqual([2, 2])
  })

  test('agrees with the exact interval of the median by order statistics', () => {
    // For 31 figures the 10th and the 22nd bound the median with 97 %, the 11th and the 21st with 93 %.
    const [low, high] = bootstrapInterval(Array.from({ length: 31 }, (_, at) => at + 1))
    expect(low).toBeGreaterThanOrEqual(10)
    expect(low).toBeLessThanOrEqual(12)
    expect(high).toBeGreaterThanOrEqual(20)
    expect(high).toBeLessThanOrEqual(22)
  })

  test('covers the true median about 95 times in 100', () => {
    // Uniform figures around 0.5 from a fixed sequence: 200 samples of 31.
    let state = 42
    const random = () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31
      return state / 2 ** 31
    }
    let covered = 0
    for (let run = 0; run < 200; run++) {
      const [low, high] = bootstrapInterval(Array.from({ length: 31 }, random), { seed: run, resamples: 500 })
      if (low <= 0.5 && high >= 0.5) covered++
    }
    expect(covered).toBeGreaterThanOrEqual(180)
    expect(covered).toBeLessThan(200)
  })
})

test('relativeSpread is half the distance of the quartiles over the median', () => {
  expect(relativeSpread([1, 2, 3, 4, 5])).toBeCloseTo(1 / 3)
  expect(relativeSpread([5, 5, 5])).toBe(0)
})
