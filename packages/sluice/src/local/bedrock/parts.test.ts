import { EventStreamCodec } from '@smithy/eventstream-codec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorFrame, eventFrame, exceptionFrame } from './event-stream.ts'
import { type Ending, withinLimits } from './generate.ts'
import { paceOf } from './latency.ts'
import { baseModelOf, limitsOf } from './models.ts'
import { promptCache } from './prompt-cache.ts'
import type { Piece } from './request.ts'
import { manualClock } from './testing.ts'
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

describe('frames', () => {
  const codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes as Uint8Array).toString(),
    (text) => Buffer.from(text),
  )
  const decoded = (frame: Buffer) => {
    const { headers, body } = codec.decode(frame)
    return {
      headers: Object.fromEntries(Object.entries(headers).map(([name, { value }]) => [name, value])),
      body: Buffer.from(body).toString(),
    }
  }

  test('are what the SDK reads, for any payload', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const json = JSON.stringify({ text })
        expect(decoded(eventFrame('contentBlockDelta', json))).toEqual({
          headers: {
            ':event-type': 'contentBlockDelta',
            ':content-type': 'application/json',
            ':message-type': 'event',
          },
          body: json,
        })
      }),
    )
  })

  test('of exceptions and of errors', () => {
    expect(decoded(exceptionFrame('throttlingException', 'slow'))).toEqual({
      headers: {
        ':exception-type': 'throttlingException',
        ':content-type': 'application/json',
        ':message-type': 'exception',
      },
      body: '{"message":"slow"}',
    })
    expect(decoded(errorFrame('Oops', 'slow'))).toEqual({
      headers: { ':error-code': 'Oops', ':error-message': 'slow', ':message-type': 'error' },
      body: '',
    })
  })
})

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

describe('pace', () => {
  async function* answer() {
    yield ['a', 'b', 'c', 'd']
  }
  const run = async (grainMs: number, moves: number[]) => {
    const clock = manualClock(0)
    const pace = paceOf({ firstTokenMs: 100, tokensPerSecond: 10, jitter: 0 }, clock, Math.random)
    const seen: [number, string][] = []
    const reading = (async () => {
      for await (const batch of pace(answer(), new AbortController().signal, grainMs))
        seen.push([clock.now(), batch.join('')])
    })()
    for (const ms of moves) {
      await clock.sleeping()
      clock.advance(ms)
    }
    await reading
    return seen
  }

  test('tokens come one by one', async () => {
    expect(await run(0, [100, 100, 100, 100])).toEqual([
      [100, 'a'],
      [200, 'b'],
      [300, 'c'],
      [400, 'd'],
    ])
  })

  test('what is late is made good together', async () => {
    expect(await run(0, [250, 150])).toEqual([
      [250, 'ab'],
      [400, 'cd'],
    ])
  })

  test('a coarse grain wakes less often, and never late', async () => {
    expect(await run(150, [150, 150, 150])).toEqual([
      [150, 'a'],
      [300, 'bc'],
      [450, 'd'],
    ])
  })

  test('jitter stays in its bounds', async () => {
    const clock = manualClock(0)
    const waits: number[] = []
    const sleep = async (ms: number) => {
      waits.push(ms)
      clock.advance(ms)
    }
    const latency = { firstTokenMs: 100, tokensPerSecond: 10, jitter: 0.5 }
    const pace = paceOf(latency, { now: clock.now, sleep }, Math.random)
    for await (const _ of pace(answer(), new AbortController().signal, 0));
    expect(waits).toHaveLength(4)
    for (const ms of waits) expect(ms).toSatisfy((wait: number) => wait >= 50 - 1e-6 && wait <= 150 + 1e-6)
  })
})

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

describe('models', () => {
  test.each([
    ['eu.anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['us-gov.amazon.nova-pro-v1:0', 'amazon.nova-pro-v1:0'],
    ['meta.llama3-70b-instruct-v1:0', 'meta.llama3-70b-instruct-v1:0'],
    [
      'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0',
      'amazon.nova-lite-v1:0',
    ],
    ['arn:aws-us-gov:bedrock:us-gov-west-1:1:provisioned-model/abc', 'abc'],
  ])('%s is %s', (modelId, base) => {
    expect(baseModelOf(modelId)).toBe(base)
  })

  test.each([
    '',
    'claude',
    'anthropic.',
    'arn:aws:s3:::bucket/x',
    'anthropic.claude v1',
    '../anthropic.claude',
    'toString',
  ])('%o is no model', (modelId) => {
    expect(() => baseModelOf(modelId)).toThrow('The provided model identifier is invalid.')
  })

  test('own limits win, also over unknown ids', () => {
    expect(baseModelOf('mine', { mine: {} })).toBe('mine')
    expect(limitsOf('mine', 'mine', { mine: { maxTokens: 7 } })).toEqual({
      contextTokens: 128_000,
      maxTokens: 7,
      burndown: 1,
    })
    const base = 'anthropic.claude-opus-4-8-v1:0'
    expect(limitsOf(`eu.${base}`, base, { [base]: { contextTokens: 5 } })).toEqual({
      contextTokens: 5,
      maxTokens: 64_000,
      burndown: 15,
    })
  })
})
