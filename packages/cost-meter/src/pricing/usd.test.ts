import fc from 'fast-check'
import { expect, test } from 'vitest'
import { picoUsdOf, usdText } from './usd.ts'

test.each([
  [0, '0'],
  [1, '0.000000000001'],
  [10_500_000_000, '0.0105'],
  [999_999_999_999, '0.999999999999'],
  [1_000_000_000_000, '1'],
  [-1_250_000_000_000, '-1.25'],
  [Number.MAX_SAFE_INTEGER, '9007.199254740991'],
  [123_456_789_012_345_678_901_234n, '123456789012.345678901234'],
])('%s picodollars are %s', (pico, text) => {
  expect(usdText(pico)).toBe(text)
  expect(picoUsdOf(text)).toBe(BigInt(pico))
})

test('text and back, whatever the amount', () => {
  fc.assert(fc.property(fc.bigInt(), (pico) => picoUsdOf(usdText(pico)) === pico))
  fc.assert(fc.property(fc.maxSafeInteger(), (pico) => picoUsdOf(usdText(pico)) === BigInt(pico)))
})

test('no zeros at the end, whatever the digits', () => {
  for (let digits = 1; digits < 1_000; digits++) {
    for (const unit of [1, 1e3, 1e6, 1e9]) {
      const text = usdText(digits * unit)
      expect(text).not.toMatch(/0$/)
      expect(Number(text)).toBeCloseTo((digits * unit) / 1e12, 15)
    }
  }
})

test.each(['', '1,5', '1e3', '.5', '1.', 'NaN', '0.0000000000001', '--1', ' 1'])(
  '%j is no amount',
  (text) => {
    expect(() => picoUsdOf(text)).toThrow(TypeError)
  },
)
