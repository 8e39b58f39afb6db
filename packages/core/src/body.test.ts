import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream } from 'node:stream/web'
import { describe, expect, test } from 'vitest'
import { endsItself, endWithBody } from './body.ts'

/** What happened, in order; the end takes its time, to show who waits for it, and happens once, as a scope's. */
function witness() {
  const events: string[] = []
  let ending: Promise<void> | undefined
  async function end(): Promise<void> {
    events.push('ending')
    await new Promise((resolve) => setImmediate(resolve))
    events.push('ended')
  }
  return {
    events,
    end() {
      ending ??= end()
      return ending
    },
  }
}

async function* pieces(events: string[], fail?: Error): AsyncGenerator<string> {
  try {
    for (const piece of ['one ', '', 'two ', 'three']) {
      events.push(`piece ${piece}`)
      yield piece
    }
    if (fail) throw fail
  } finally {
    events.push('source closed')
  }
}

const kinds = {
  'a Node stream': (source: AsyncGenerator<string>) => Readable.from(source),
  'a Node stream of bytes': (source: AsyncGenerator<string>) => Readable.from(source, { objectMode: false }),
  'a web stream': (source: AsyncGenerator<string>) => ReadableStream.from(source),
  'a web stream of bytes': (source: AsyncGenerator<string>) =>
    ReadableStream.from(
      (async function* () {
        for await (const text of source) yield new TextEncoder().encode(text)
      })(),
    ),
}

for (const [kind, streamOf] of Object.entries(kinds)) {
  describe(kind, () => {
    test('ends the scope after its last piece and before its own end', async () => {
      const { events, end } = witness()
      const request = { response: { statusCode: 200, body: streamOf(pieces(events)) } as { body: unknown } }
      expect(endWithBody(request, end)).toBe(true)
      expect(request.response).toMatchObject({ statusCode: 200 })
      let text = ''
      for await (const chunk of request.response.body as AsyncIterable<Buffer | string>) {
        expect(events).not.toContain('ended')
        text += String(chunk)
      }
      events.push('read')
      expect(text).toBe('one two three')
      expect(events.slice(-4)).toEqual(['source closed', 'ending', 'ended', 'read'])
    })

    test('as the response itself', async () => {
      const { events, end } = witness()
      const request: { response: unknown } = { response: streamOf(pieces(events)) }
      expect(endWithBody(request, end)).toBe(true)
      for await (const _ of request.response as AsyncIterable<unknown>);
      expect(events.at(-1)).toBe('ended')
    })

    test('that fails ends the scope and fails for its reader, with its own error', async () => {
      const { events, end } = witness()
      const failure = new RangeError('of the body')
      const request: { response: unknown } = { response: streamOf(pieces(events, failure)) }
      endWithBody(request, end)
      const sink = new PassThrough().resume()
      await expect(pipeline(request.response as Readable, sink)).rejects.toBe(failure)
      await expect.poll(() => events).toContain('ended')
    })

    test('that its reader leaves ends the scope and closes its source', async () => {
      const { events, end } = witness()
      const request: { response: unknown } = { response: streamOf(endless(events)) }
      endWithBody(request, end)
      for await (const _ of request.response as AsyncIterable<unknown>) break
      await expect.poll(() => events).toContain('ended')
      await expect.poll(() => events).toContain('source closed')
    })

    test('is read no faster than its reader reads', async () => {
      const events: string[] = []
      let given = 0
      const request: { response: unknown } = {
        response: streamOf(
          (async function* () {
            for (;;) {
              given++
              yield 'x'.repeat(100_000)
              await new Promise((resolve) => setImmediate(resolve))
            }
          })(),
        ),
      }
      endWithBody(request, async () => {})
      const body = request.response as Readable
      await once(body, 'readable')
      for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(given).toBeLessThan(60)
      body.destroy()
      expect(events).toEqual([])
    })
  })
}

async function* endless(events: string[]): AsyncGenerator<string> {
  try {
    for (;;) {
      yield 'again '
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    events.push('source closed')
  }
}

test('a stream of objects stays one', async () => {
  const request: { response: unknown } = { response: Readable.from([{ a: 1 }, { b: 2 }]) }
  endWithBody(request, async () => {})
  const read: unknown[] = []
  for await (const item of request.response as AsyncIterable<unknown>) read.push(item)
  expect(read).toEqual([{ a: 1 }, { b: 2 }])
})

test('a stream that ends the scope itself is told how, and stays the one it is', () => {
  const given: unknown[] = []
  const body = Object.assign(new PassThrough(), { [endsItself]: (end: unknown) => given.push(end) })
  const response = { statusCode: 200, body }
  const request = { response }
  const end = () => Promise.resolve()
  expect(endWithBody(request, end)).toBe(true)
  expect(given).toEqual([end])
  expect(request.response).toBe(response)
  expect(request.response.body).toBe(body)
})

test.for([undefined, null, 'text', 5, {}, { body: 'text' }, { body: null }, [], Buffer.from('x')])(
  '%o is no stream, and stays what it is',
  (response) => {
    const request = { response }
    expect(endWithBody(request, () => Promise.reject(new Error('too early')))).toBe(false)
    expect(request.response).toBe(response)
  },
)
