import { describe, expect, test } from 'vitest'
import { promptCache } from './prompt-cache.ts'
import { countTokens } from './tokens.ts'

describe('prompt cache', () => {
  const long = 'word '.repeat(1500)

  test('writes once, reads until it expires, and each read prolongs it', () => {
    let now = 0
    const cache = promptCache(() => now)
    const prompt = [long, { cachePoint: { ttl: '5m' as const } }, 'A question.']
    const measure = (modelId = 'm') => {
      const measured = cache.measure(modelId, prompt)
      measured.commit()
      const { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWrites } = measured
      return { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWrites }
    }
    const size = countTokens(long)
    const rest = countTokens('A question.')
    const written = {
      inputTokens: rest,
      cacheReadTokens: 0,
      cacheWriteTokens: size,
      cacheWrites: [{ ttl: '5m', inputTokens: size }],
    }
    const read = { inputTokens: rest, cacheReadTokens: size, cacheWriteTokens: 0, cacheWrites: [] }
    expect(measure()).toEqual(written)
    now += 299_999
    expect(measure()).toEqual(read)
    now += 299_999
    expect(measure()).toEqual(read)
    expect(measure('other')).toEqual(written)
    now += 300_000
    expect(measure()).toEqual(written)
    cache.clear()
    expect(measure()).toEqual(written)
  })

  test('a request that is not admitted writes nothing; a short prefix is not cached', () => {
    const cache = promptCache(() => 0)
    const point = { cachePoint: { ttl: '1h' as const } }
    cache.measure('m', [long, point])
    expect(cache.measure('m', [long, point]).cacheReadTokens).toBe(0)
    const short = cache.measure('m', ['short', point, 'more'])
    expect(short).toMatchObject({
      cacheWriteTokens: 0,
      inputTokens: countTokens('short') + countTokens('more'),
    })
  })

  test('a longer prefix reads the shorter one and writes the rest', () => {
    const cache = promptCache(() => 0)
    const point = { cachePoint: { ttl: '5m' as const } }
    cache.measure('m', [long, point]).commit()
    const longer = cache.measure('m', [long, point, 'and more', { cachePoint: { ttl: '1h' as const } }, 'q'])
    expect(longer).toMatchObject({
      cacheReadTokens: countTokens(long),
      cacheWrites: [{ ttl: '1h', inputTokens: countTokens('and more') }],
      inputTokens: 1,
    })
  })
})
