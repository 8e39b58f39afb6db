import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { endsItself, SluiceError } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { expect, test, vi } from 'vitest'
import { sseEncoder } from './formats/sse.ts'
import { textEncoder } from './formats/text.ts'
import { partReader } from './part-reader.ts'
import { type StreamBodyOptions, streamBody } from './stream-body.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A source that is fed by the test, and tells what was asked of it. */
function faucet() {
  const waiting: { resolve(step: IteratorResult<unknown>): void; reject(error: unknown): void }[] = []
  const given: IteratorResult<unknown>[] = []
  const seen = { asked: 0, returned: 0 }
  function give(step: IteratorResult<unknown>): void {
    const next = waiting.shift()
    if (next) next.resolve(step)
    else given.push(step)
  }
  return {
    seen,
    give: (...values: unknown[]) => {
      for (const value of values) give({ done: false, value })
    },
    end: () => give({ done: true, value: undefined }),
    fail: (error: unknown) => waiting.shift()?.reject(error),
    source: {
      [Symbol.asyncIterator]: () => ({
        next() {
          seen.asked++
          const step = given.shift()
          if (step) return Promise.resolve(step)
          return new Promise<IteratorResult<unknown>>((resolve, reject) => waiting.push({ resolve, reject }))
        },
        return() {
          seen.returned++
          return Promise.resolve({ done: true as const, value: undefined })
        },
      }),
    } as AsyncIterable<unknown>,
  }
}

function start(options: Partial<StreamBodyOptions> = {}) {
  const clock = fakeClock()
  const tap = faucet()
  const closed: unknown[] = []
  const body = streamBody({
    source: tap.source,
    reader: partReader(),
    encoder: textEncoder(),
    coalesceMs: 5,
    heartbeatMs: 15_000,
    clock,
    check() {},
    closed: (failure) => closed.push(failure),
    conclude: async (failure) =>
      failure === undefined
        ? { type: 'done' }
        : { type: 'error', code: String((failure as Error).message), message: '', retryable: false },
    ...options,
  })
  const chunks: string[] = []
  const sink = new PassThrough({ encoding: 'utf8' })
  body.readable.on('data', (chunk: string) => chunks.push(chunk))
  return { ...body, ...tap, clock, chunks, closed, sink }
}

test('the first token leaves at once; those on its heels leave together, within the time that is said', async () => {
  const { give, chunks, clock } = start({ coalesceMs: 8 })
  give('a')
  await turn()
  expect(chunks).toEqual(['a'])
  give('b', 'c')
  await turn()
  await clock.advance(3)
  give('d')
  await turn()
  expect(chunks).toEqual(['a'])
  await clock.advance(4)
  expect(chunks).toEqual(['a'])
  await clock.advance(1)
  expect(chunks).toEqual(['a', 'bcd'])
})

test('a token that comes after half of the time takes those before it with it', async () => {
  const { give, chunks, clock } = start({ coalesceMs: 8 })
  give('a', 'b')
  await clock.advance(4)
  expect(chunks).toEqual(['a'])
  give('c')
  await turn()
  expect(chunks).toEqual(['a', 'bc'])
  await clock.advance(4)
  give('d')
  await turn()
  expect(chunks).toEqual(['a', 'bc', 'd'])
  expect(clock.pending).toBe(0)
})

test('with coalesceMs 0 each token leaves by itself', async () => {
  const { give, chunks } = start({ coalesceMs: 0 })
  give('a', 'b', 'c')
  await turn()
  expect(chunks).toEqual(['a', 'b', 'c'])
})

test('much text does not wait', async () => {
  const { give, chunks } = start()
  give('a', 'x'.repeat(10_000))
  await turn()
  expect(chunks.map(({ length }) => length)).toEqual([1, 10_000])
})

test('what waits leaves before the last words, and the order is kept', async () => {
  const { give, end, chunks, readable } = start({ encoder: sseEncoder() })
  give('a', 'b', { type: 'reasoning', text: 'c' }, 'd', { type: 'tool', id: '1', name: 'n', input: 1 }, 'e')
  end()
  await once(readable, 'end')
  expect(chunks.join('')).toBe(
    [
      'event: token\ndata: {"text":"a"}\n\n',
      'event: token\ndata: {"text":"b"}\n\n',
      'event: reasoning\ndata: {"text":"c"}\n\n',
      'event: token\ndata: {"text":"d"}\n\n',
      'event: tool\ndata: {"id":"1","name":"n","input":1}\n\n',
      'event: token\ndata: {"text":"e"}\n\n',
      'event: done\ndata: {}\n\n',
    ].join(''),
  )
})

test('a heartbeat when nothing was written for so long, before the first token and between two', async () => {
  const { give, end, chunks, clock, readable } = start({ encoder: sseEncoder(), heartbeatMs: 100 })
  await clock.advance(99)
  expect(chunks).toEqual([])
  await clock.advance(1)
  expect(chunks).toEqual([':\n\n'])
  await clock.advance(60)
  give('a')
  await turn()
  await clock.advance(99)
  expect(chunks).toHaveLength(2)
  await clock.advance(1)
  expect(chunks.slice(2)).toEqual([':\n\n'])
  await clock.advance(250)
  expect(chunks).toHaveLength(5)
  end()
  await once(readable, 'end')
  expect(clock.pending).toBe(0)
})

test('no heartbeat in plain text, or when told not to', async () => {
  const text = start()
  const off = start({ encoder: sseEncoder(), heartbeatMs: 0 })
  await text.clock.advance(60_000)
  await off.clock.advance(60_000)
  expect([text.chunks, off.chunks]).toEqual([[], []])
})

test('a reader that does not read is sent no heartbeat, and the source is not asked', async () => {
  const { give, seen, clock, readable, chunks } = start({
    encoder: sseEncoder(),
    heartbeatMs: 100,
    coalesceMs: 0,
  })
  readable.pause()
  for (let i = 0; i < 50; i++) give('x'.repeat(1_000))
  await turn()
  const { asked } = seen
  expect(asked).toBeLessThan(20)
  await clock.advance(1_000)
  expect(seen.asked).toBe(asked)
  readable.resume()
  await turn()
  await turn()
  expect(chunks.join('')).not.toContain(':\n\n')
  expect(seen.asked).toBeGreaterThan(asked)
})

test('a failure of the source becomes last words and a clean end; the source is left', async () => {
  const { give, fail, chunks, closed, seen, readable } = start()
  const failure = new Error('broke')
  give('a', 'b')
  await turn()
  fail(failure)
  await once(readable, 'end')
  expect(chunks.join('')).toBe('ab\n[broken off: broke]')
  expect(closed).toEqual([failure])
  expect(seen.returned).toBe(1)
  expect(readable.errored).toBeNull()
})

test.for([
  ['throws undefined', () => Promise.reject(undefined)],
  [
    'throws before it waits',
    () => {
      throw new Error('at once')
    },
  ],
])('a source that %s does not pass for whole', async ([, next]) => {
  const { chunks, readable } = start({
    source: { [Symbol.asyncIterator]: () => ({ next: next as () => Promise<never> }) },
  })
  await once(readable, 'end')
  expect(chunks.join('')).toContain('broken off')
})

test('a source that cannot even be left disturbs nobody', async () => {
  const { chunks, readable } = start({
    source: {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error('broke')),
        return() {
          throw new Error('at once')
        },
      }),
    },
  })
  await once(readable, 'end')
  expect(chunks.join('')).toBe('\n[broken off: broke]')
})

test('what check() throws ends the stream, with what came until then', async () => {
  const seenBytes: number[] = []
  const { give, chunks, closed, readable } = start({
    coalesceMs: 0,
    check(bytes) {
      seenBytes.push(bytes)
      if (bytes > 5) throw new Error('long')
    },
  })
  give('€a', 'b', 'c')
  await once(readable, 'end')
  expect(seenBytes).toEqual([2, 5, 6])
  expect(chunks.join('')).toBe('€abc\n[broken off: long]')
  expect(closed).toHaveLength(1)
})

test('stop() ends the stream, once', async () => {
  const { give, stop, chunks, closed, readable, seen } = start()
  give('a')
  await turn()
  stop(new Error('first'))
  stop(new Error('second'))
  give('late')
  await once(readable, 'end')
  expect(chunks.join('')).toBe('a\n[broken off: first]')
  expect([closed.length, seen.returned]).toEqual([1, 1])
})

test('a response that fails leaves the source at once, in the middle of a read', async () => {
  const { give, closed, seen, readable, clock } = start({ encoder: sseEncoder() })
  give('a')
  await turn()
  readable.destroy(new Error('socket'))
  expect(closed).toMatchObject([{ code: 'aborted' }])
  expect(SluiceError.is(closed[0])).toBe(true)
  expect(seen.returned).toBe(1)
  expect(clock.pending).toBe(0)
  await once(readable, 'error').catch(() => {})
})

test('the end of the scope is awaited before the end is seen, and comes also when the response fails', async () => {
  const { end, readable } = start()
  const { promise, resolve } = Promise.withResolvers<void>()
  let calls = 0
  const endScope = () => {
    calls++
    return promise
  }
  ;(readable as unknown as Record<symbol, (end: () => Promise<void>) => void>)[endsItself]?.(endScope)
  end()
  await turn()
  await turn()
  expect(calls).toBe(1)
  expect(readable.readableEnded).toBe(false)
  resolve()
  await once(readable, 'end')

  const failing = start()
  let failedCalls = 0
  ;(failing.readable as unknown as Record<symbol, (end: () => Promise<void>) => void>)[endsItself]?.(
    async () => {
      failedCalls++
    },
  )
  failing.readable.on('error', () => {})
  failing.readable.destroy(new Error('socket'))
  await turn()
  expect(failedCalls).toBe(1)
})

test('conclude() that throws fails the body, for answers whose status has not left', async () => {
  const failure = new Error('broke')
  const { give, end, readable } = start({ conclude: () => Promise.reject(failure) })
  give('a')
  end()
  await expect(once(readable, 'end')).rejects.toBe(failure)
})

test('the source is read in the context that the body was made in, whoever asks for more', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  async function* source() {
    for (let i = 0; i < 3; i++) {
      seen.push(storage.getStore())
      yield 'x'.repeat(20_000)
    }
  }
  const { readable } = storage.run('mine', () => start({ source: source() }))
  readable.pause()
  for (let i = 0; i < 3; i++) {
    await turn()
    storage.run('of somebody else', () => readable.read())
  }
  await turn()
  expect(seen).toEqual(['mine', 'mine', 'mine'])
})

test('as JSON it says what is wrong, instead of the insides of a stream', () => {
  const { readable } = start()
  const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  expect(() => JSON.stringify({ body: readable })).toThrow('executionMode')
  expect(warning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('executionMode'), 'SluiceWarning')
  warning.mockRestore()
})
