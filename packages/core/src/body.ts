/** Response bodies that are streams: Middy's hooks run before their first byte, so the end is hung on the last. */

import { pipeline, Readable, Transform } from 'node:stream'
import { ReadableStream } from 'node:stream/web'

/**
 * @internal A Node stream with a method of this name is given `end` by it, and does itself what is done here for others:
 * one stream less for every token to pass. The number is that of the method's signature.
 */
export const endsItself: unique symbol = Symbol.for('sluice.endsItself.1')

/**
 * If the response of a Middy request is a stream, or has one as its body, replaces it by one that awaits `end`
 * before its own end (the runtime sees the end only when everything is written), also when it fails or is left.
 * Returns whether it was.
 */
export function endWithBody(request: { response: unknown }, end: () => Promise<void>): boolean {
  const { response } = request
  if (isStream(response)) {
    request.response = ending(response, end)
    return true
  }
  if (typeof response === 'object' && response !== null && 'body' in response && isStream(response.body)) {
    const body = ending(response.body, end)
    if (body !== response.body) request.response = { ...response, body }
    return true
  }
  return false
}

function isStream(value: unknown): value is Readable | ReadableStream {
  return value instanceof Readable || value instanceof ReadableStream
}

function ending(body: Readable | ReadableStream, end: () => Promise<void>): Readable {
  if (endsItself in body) {
    const own = body as Readable & Record<typeof endsItself, (end: () => Promise<void>) => void>
    own[endsItself]?.(end)
    return own
  }
  const source = body instanceof Readable ? body : Readable.fromWeb(body)
  const passing = new Transform({
    objectMode: source.readableObjectMode,
    transform(chunk, _encoding, callback) {
      callback(null, chunk)
    },
    flush(callback) {
      end().then(() => callback(), callback)
    },
  })
  // Also when the source fails, or the reader goes away.
  return pipeline(source, passing, () => void end())
}
