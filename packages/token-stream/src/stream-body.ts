/** The body of a streamed response: asks the model for more only when its reader does, and always ends well. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { CallAbortedError, type Clock, endsItself } from '@sluice/core'
import type { PartReader } from './part-reader.ts'
import type { Encoder, StreamEnd, StreamPart, StreamUsage } from './stream-part.ts'

export interface StreamBodyOptions {
  readonly source: AsyncIterable<unknown>
  readonly reader: PartReader
  readonly encoder: Encoder
  readonly coalesceMs: number
  readonly heartbeatMs: number
  readonly clock: Clock
  /** Called with every part that was read, with the bytes that the body has by then; throws to end the stream. */
  check(bodyBytes: number): void
  /** Called once, before the last words: stops whatever still generates when the stream did not end by itself. */
  closed(failure: unknown): void
  /** The last words. When it throws, so does the body: for answers whose status has not left. */
  conclude(failure: unknown): Promise<StreamEnd>
}

export interface StreamBody {
  readonly readable: Readable
  /** Writes a part that is not of the source. */
  add(part: StreamUsage): void
  /** Ends the stream with the words for this failure. */
  stop(failure: unknown): void
  /** Leaves the source, if it has not come to its end: nobody will read this body. */
  abandon(): void
}

export function streamBody({
  source,
  reader,
  encoder,
  coalesceMs,
  heartbeatMs,
  clock,
  check,
  closed,
  conclude,
}: StreamBodyOptions): StreamBody {
  const iterator = source[Symbol.asyncIterator]()
  // Reads are asked for by whatever drains the response, in its own context; the source belongs to this one.
  const inContext = AsyncLocalStorage.snapshot()
  const next = () => iterator.next()
  let pulling = false
  let wanted = false
  let over = false
  /** Encoded and not written yet; and text that may still grow before it is encoded. */
  let encoded = ''
  let text = ''
  let textType: 'token' | 'reasoning' = 'token'
  let written = 0
  let writtenAtMs = -Infinity
  let cancelFlush: (() => void) | undefined
  let cancelHeartbeat: (() => void) | undefined
  let end: (() => Promise<void>) | undefined

  const readable = new Readable({
    // Text stays text up to the socket.
    encoding: 'utf8',
    highWaterMark: 16_384,
    read() {
      wanted = true
      pull()
    },
    destroy(error, callback) {
      if (!over) close(new CallAbortedError('The response was closed.', { code: 'aborted', cause: error }))
      void end?.()
      callback(error)
    },
  })
  Object.assign(readable, {
    [endsItself](endOfScope: () => Promise<void>) {
      end = endOfScope
      if (readable.readableEnded) void end()
    },
    /** A handler that is not in Middy's streaming mode gives this to JSON, in which nobody would recognise it. */
    toJSON() {
      // The runtime replaces the error by one of its own.
      process.emitWarning(notStreaming, 'SluiceWarning')
      throw new TypeError(notStreaming)
    },
  })

  function pull(): void {
    if (pulling || over) return
    pulling = true
    try {
      Promise.resolve(inContext(next)).then(onStep, stop)
    } catch (failure) {
      stop(failure)
    }
  }

  function onStep({ done, value }: IteratorResult<unknown>): void {
    if (over) return
    pulling = false
    try {
      const part = done ? undefined : reader.read(value)
      if (done) finish(undefined)
      else if (part) add(part)
    } catch (failure) {
      stop(failure)
    }
    if (wanted) pull()
  }

  function add(part: StreamPart | StreamUsage): void {
    if (part.type === 'token' || part.type === 'reasoning') {
      if (part.type !== textType) encodeText()
      textType = part.type
      text += part.text
    } else {
      encodeText()
      encoded += encoder.encode(part)
    }
    if (over) return
    const waiting = encoded.length + text.length
    check(written + waiting)
    // After a pause a token leaves at once. One that follows on the heels of another waits for the next, which then takes
    // all with it: a timer that had to fire would cost as much as the write that it saves.
    const sinceMs = clock.now() - writtenAtMs
    if (sinceMs >= coalesceMs / 2 || waiting > maxWaiting) flush()
    else cancelFlush ??= clock.after(coalesceMs - sinceMs, flush)
  }

  function encodeText(): void {
    if (text !== '') encoded += encoder.encode({ type: textType, text })
    text = ''
  }

  function flush(): void {
    cancelFlush?.()
    cancelFlush = undefined
    encodeText()
    const chunk = encoded
    encoded = ''
    if (chunk !== '') write(chunk)
  }

  function write(chunk: string): void {
    written += Buffer.byteLength(chunk)
    writtenAtMs = clock.now()
    wanted = readable.push(chunk)
  }

  function beat(sinceMs: number, heartbeat: string): void {
    const idleMs = clock.now() - Math.max(writtenAtMs, sinceMs)
    const due = idleMs >= heartbeatMs
    // A reader that does not read needs no sign of life.
    if (due && readable.readableLength === 0) write(heartbeat)
    cancelHeartbeat = clock.after(due ? heartbeatMs : heartbeatMs - idleMs, () => beat(sinceMs, heartbeat))
  }

  function close(failure: unknown): void {
    over = true
    cancelFlush?.()
    cancelHeartbeat?.()
    closed(failure)
    // A generator that waits hears of it only when it goes on: what it waits for has been stopped by `closed`.
    if (failure !== undefined) (async () => iterator.return?.())().catch(() => {})
  }

  function stop(failure: unknown = new Error('undefined was thrown')): void {
    if (!over) finish(failure)
  }

  function abandon(): void {
    if (!over) readable.destroy()
  }

  /** Called once: every way here has looked at `over`. */
  function finish(failure: unknown): void {
    close(failure)
    conclude(failure)
      .then(async (last) => {
        if (readable.destroyed) return
        encodeText()
        encoded += encoder.encode(last)
        flush()
        await end?.()
        // With the end the sandbox may be frozen, and with it an abort that is still on its way through HTTP/2.
        if (failure !== undefined) for (let turn = 0; turn < turnsToAbort; turn++) await setImmediate()
        readable.push(null)
      })
      .catch((error: Error) => readable.destroy(error))
  }

  if (encoder.heartbeat && heartbeatMs > 0) {
    const { heartbeat } = encoder
    const sinceMs = clock.now()
    cancelHeartbeat = clock.after(heartbeatMs, () => beat(sinceMs, heartbeat))
  }
  return { readable, add, stop, abandon }
}

/** Of the event loop: to close the stream, to write that down, to send it; and some more. */
const turnsToAbort = 8

const notStreaming =
  'The response is a stream, but the handler is not: give middy() the executionMode of StreamifyResponse, ' +
  'or tokenStream() the delivery "whole".'

/** Characters that wait for more at most. */
const maxWaiting = 8_192
