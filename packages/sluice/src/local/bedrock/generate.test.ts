import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Ending, withinLimits } from './generate.ts'
import type { Piece } from './request.ts'
import { splitTokens } from './tokens.ts'

describe('limits', () => {
  async function limited(text: string, limits: { maxTokens?: number; stopSequences?: string[] }, size = 3) {
    const tokens = splitTokens(text)
    let left = false
    async function* batches() {
      try {
        for (let at = 0; at < tokens.length; at += size) yield tokens.slice(at, at + size)
      } finally {
        left = true
      }
    }
    const ending: Ending = { stopReason: 'end_turn' }
    const pieces: Piece[] = []
    for await (const batch of withinLimits(batches(), { stopSequences: [], ...limits }, ending)) {
      expect(batch.length).toBeGreaterThan(0)
      pieces.push(...batch)
    }
    expect(left).toBe(true)
    return { text: pieces.join(''), tokens: pieces.length, ...ending }
  }

  test.each([
    [{}, { text: 'one two three', stopReason: 'end_turn' }],
    [{ maxTokens: 2 }, { text: 'one two', stopReason: 'max_tokens' }],
    [{ maxTokens: 4 }, { text: 'one two three', stopReason: 'end_turn' }],
    [{ stopSequences: ['two'] }, { text: 'one ', stopReason: 'stop_sequence', stopSequence: 'two' }],
    [
      { stopSequences: ['hree', 'o t'] },
      { text: 'one tw', stopReason: 'stop_sequence', stopSequence: 'o t' },
    ],
    [{ stopSequences: ['four'] }, { text: 'one two three', stopReason: 'end_turn' }],
    [
      { stopSequences: ['hr'], maxTokens: 1 },
      { text: 'one', stopReason: 'max_tokens' },
    ],
    [{ stopSequences: ['one'] }, { text: '', stopReason: 'stop_sequence', stopSequence: 'one' }],
  ])('%o gives %o', async (limits, expected) => {
    expect(await limited('one two three', limits)).toMatchObject(expected)
    expect(await limited('one two three', limits, 1)).toMatchObject(expected)
  })

  test('nothing after a stop sequence, nothing lost before it, for any split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom('a', 'b', ' ') }),
        fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 9 }),
        async (text, stop, size) => {
          const at = text.indexOf(stop)
          const result = await limited(text, { stopSequences: [stop] }, size)
          expect(result.text).toBe(at < 0 ? text : text.slice(0, at))
          expect(result.stopReason).toBe(at < 0 ? 'end_turn' : 'stop_sequence')
        },
      ),
    )
  })
})
