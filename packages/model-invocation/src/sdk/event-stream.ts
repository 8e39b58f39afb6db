/**
 * Event streams, decoded with less work than the SDK's own decoder: frames are cut without a chain of generators,
 * checksums are Node's, and the events that carry text are built directly. Everything else (other events, exceptions,
 * anything unexpected) is given to the SDK's decoder frame by frame, so that its behaviour is the SDK's own.
 */

import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { currentAttempt } from '@sluice/core'
import { overriding } from './overriding.ts'

type Deserializer = (message: Record<string, unknown>) => Promise<unknown>

/** What the SDK calls its event stream marshaller. */
export interface EventStreamMarshaller {
  deserialize(body: AsyncIterable<Uint8Array>, deserializer: Deserializer): AsyncIterable<unknown>
}

/** A marshaller that decodes the answers to attempts, and leaves all others alone. */
export function fastMarshaller<Marshaller extends EventStreamMarshaller>(original: Marshaller): Marshaller {
  return overriding<EventStreamMarshaller>(original, {
    deserialize: (body, deserializer) =>
      body instanceof Readable && currentAttempt()
        ? decoded(body, (frame) => original.deserialize(once(frame), deserializer))
        : original.deserialize(body, deserializer),
  }) as Marshaller
}

/** The events of a body. The SDK looks at the first event before it hands the stream on; that look is answered with nothing. */
function decoded(body: Readable, bySdk: (frame: Buffer) => AsyncIterable<unknown>): AsyncIterable<unknown> {
  let looked = false
  return {
    [Symbol.asyncIterator]() {
      if (looked) return events(body, bySdk)
      looked = true
      return { next: () => Promise.resolve({ done: true, value: undefined }) }
    },
  }
}

type Step = IteratorResult<unknown, undefined>
const done: Step = { done: true, value: undefined }

/** Arrived and not read yet; beyond it the model is held back. */
const maxAheadBytes = 16_384

function events(
  body: Readable,
  bySdk: (frame: Buffer) => AsyncIterable<unknown>,
): AsyncIterator<unknown, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  let failure: Error | undefined
  let ended = false
  /** Answers the read that waits for more. */
  let answer: ((step: Step | Promise<Step>) => void) | undefined

  function onChange(): void {
    if (!answer) return
    const frame = nextFrame()
    if (!frame && !ended) return
    const answerNow = answer
    answer = undefined
    const event = frame && textEvent(frame)
    answerNow(event ? { done: false, value: event } : other(frame))
  }

  body.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (rest.length > maxAheadBytes) body.pause()
    onChange()
  })
  body.on('error', (error) => {
    failure = error
  })
  // An HTTP/2 stream that is reset closes, without an end and without an error.
  for (const last of ['end', 'close', 'error']) {
    body.on(last, () => {
      ended = true
      onChange()
    })
  }

  /** The next frame, if all of it has arrived. */
  function nextFrame(): Buffer | undefined {
    if (rest.length <= maxAheadBytes && body.isPaused()) body.resume()
    if (rest.length < 4) return undefined
    // No frame can be shorter: the SDK's decoder says so in its own words.
    const length = Math.max(minimumFrameBytes, rest.readUInt32BE(0))
    if (rest.length < length) {
      // One frame can be longer than all that is let in ahead.
      if (body.isPaused()) body.resume()
      return undefined
    }
    return take(length)
  }

  function take(length: number): Buffer {
    const taken = rest.subarray(0, length)
    rest = rest.subarray(length)
    return taken
  }

  /** Whatever is no plain piece of text: the SDK's to decode. */
  async function other(frame: Buffer | undefined): Promise<Step> {
    if (!frame && failure) throw failure
    if (!frame && rest.length === 0) return done
    // Without a whole frame it is one that was cut: again the SDK's own words.
    const bytes = frame ?? take(rest.length)
    for await (const event of bySdk(bytes)) {
      learn(bytes, event)
      return { done: false, value: event }
    }
    // An event that the SDK does not know.
    return read()
  }

  function read(): Promise<Step> {
    return new Promise((resolve) => {
      answer = resolve
      onChange()
    })
  }

  return {
    next: read,
    return() {
      body.destroy()
      return Promise.resolve(done)
    },
  }
}

const minimumFrameBytes = 16
const preludeBytes = 12
const checksumBytes = 4

/** Of ConverseStream, InvokeModelWithResponseStream and InvokeEndpointWithResponseStream. */
const textEvents = ['contentBlockDelta', 'chunk', 'PayloadPart'] as const
type EventType = (typeof textEvents)[number]

/**
 * The header blocks of the events that carry text. They are the same in every frame of a kind, so the SDK's decoder
 * need read one only once: what it said then holds for all frames that begin so.
 */
const knownHeaders = new Map<string, EventType>()
const maxKnownHeaders = 64

function learn(frame: Buffer, event: unknown): void {
  const type = textEvents.find((type) => type in (event as object))
  if (type && knownHeaders.size < maxKnownHeaders) knownHeaders.set(headersOf(frame), type)
}

function headersOf(frame: Buffer): string {
  return frame.toString('latin1', preludeBytes, preludeBytes + frame.readUInt32BE(4))
}

/** The event of a frame that carries a piece of an answer and nothing unusual. */
function textEvent(frame: Buffer): unknown {
  const headersEnd = preludeBytes + frame.readUInt32BE(4)
  const bodyEnd = frame.length - checksumBytes
  if (headersEnd > bodyEnd) return undefined
  const type = knownHeaders.get(headersOf(frame))
  if (!type) return undefined
  if (crc32(frame.subarray(0, 8)) !== frame.readUInt32BE(8)) return undefined
  if (crc32(frame.subarray(0, bodyEnd)) !== frame.readUInt32BE(bodyEnd)) return undefined
  if (type === 'PayloadPart')
    return { PayloadPart: { Bytes: new Uint8Array(frame.subarray(headersEnd, bodyEnd)) } }
  try {
    const payload = JSON.parse(frame.toString('utf8', headersEnd, bodyEnd)) as Payload
    return type === 'chunk' ? chunkEvent(payload) : deltaEvent(payload)
  } catch {
    return undefined
  }
}

interface Payload {
  readonly contentBlockIndex?: unknown
  readonly delta?: { readonly text?: unknown }
  readonly bytes?: unknown
}

function deltaEvent({ contentBlockIndex, delta }: Payload): unknown {
  const text = delta?.text
  if (
    typeof text !== 'string' ||
    typeof contentBlockIndex !== 'number' ||
    Object.keys(delta as object).length !== 1
  ) {
    return undefined
  }
  return { contentBlockDelta: { contentBlockIndex, delta: { text } } }
}

function chunkEvent({ bytes }: Payload): unknown {
  return typeof bytes === 'string'
    ? { chunk: { bytes: new Uint8Array(Buffer.from(bytes, 'base64')) } }
    : undefined
}

async function* once(frame: Uint8Array): AsyncGenerator<Uint8Array> {
  yield frame
}
