import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countTokens, splitTokens } from './tokens.ts'

describe('tokens', () => {
  test.each([
    ['', []],
    ['Hello there!', ['Hell', 'o', ' ther', 'e', '!']],
    ['  a\n\nb ', ['  a', '\n\nb', ' ']],
    ['été naïve', ['été', ' naïv', 'e']],
    ['日本', ['日', '本']],
    ['😀!', ['😀', '!']],
    ['\ud83d', ['\ud83d']],
  ])('%o is %o', (text, tokens) => {
    expect(splitTokens(text)).toEqual(tokens)
  })

  test('they join to the text again, and are counted as they are split', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const tokens = splitTokens(text)
        expect(tokens.join('')).toBe(text)
        expect(countTokens(text)).toBe(tokens.length)
      }),
    )
  })
})
