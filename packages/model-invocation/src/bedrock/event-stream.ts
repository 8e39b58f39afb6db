/**
 * Event streams, decoded with less work than the SDK's own decoder: frames are cut without a chain of generators,
 * checksums are Node's, and the events that carry text are built directly. Everything else (other events, exceptions,
 * anything unexpected) is given to the SDK's decoder frame by frame, so that its behaviour is the SDK's own.
 */

import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'

type Deserializer = (message: Record<string, unknown>) => Promise<unknown>

/** What the SDK calls its event stream marshaller. */
export interface EventStreamMarshaller {
  deserialize(body: AsyncIterable<Uint8Array>, deserializer: Deserializer): AsyncIterable<unknown>
}

/** A marshaller that decodes the bodies `isOurs` says yes to, at the time they arrive, and leaves the others alone. */
export function fastMarshaller<Marshaller extends EventStreamMarshaller>(
  original: Marshaller,
  isOurs: () => boolean,
): Marshaller {
  return new Proxy(original, {
    get(target, key) {
      if (key === 'deserialize') {
        return (body: AsyncIterable<Uint8Array>, deserializer: Deserializer) =>
          body instanceof Readable && isOurs()
            ? decoded(body, (frame) => target.deserialize(once(frame), deserializer))
            : target.deserialize(body, deserializer)
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
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

function events(
  body: Readable,
  bySdk: (frame: Buffer) => AsyncIterable<unknown>,
): AsyncIterator<unknown, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  let failure: Error | undefined
  let ended = false
  let wake: (() => void) | undefined

  function onChange(): void {
    wake?.()
    wake = undefined
  }
  function onEnd(): void {
    ended = true
    onChange()
  }
  body.on('readable', onChange)
  body.on('end', onEnd)
  // An HTTP/2 stream that is reset closes, without an end and without an error.
  body.on('close', onEnd)
  body.on('error', (error) => {
    failure = error
    onEnd()
  })

  /** The next frame, if all of it has arrived. */
  function nextFrame(): Buffer | undefined {
    for (;;) {
      if (rest.length >= 4) {
        const length = rest.readUInt32BE(0)
        if (rest.length >= length && length >= minimumFrameBytes) {
          const frame = rest.subarray(0, length)
          rest = rest.subarray(length)
          return frame
        }
        // No frame can be as short: the SDK's decoder says so in its own words.
        if (length < minimumFrameBytes) return takeRest()
      }
      const chunk = body.read() as Buffer | null
      if (chunk === null) return undefined
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    }
  }

  function takeRest(): Buffer {
    const all = rest
    rest = Buffer.alloc(0)
    return all
  }

  async function slow(frame: Buffer | undefined): Promise<Step> {
    for (let next = frame; ; next = nextFrame()) {
      if (next) {
        const event = textEvent(next)
        if (event) return { done: false, value: event }
        for await (const other of bySdk(next)) return { done: false, value: other }
        // An event that the SDK does not know.
      } else if (failure) {
        throw failure
      } else if (ended) {
        if (rest.length === 0) return done
        // A frame was cut: again the SDK's own words.
        for await (const other of bySdk(takeRest())) return { done: false, value: other }
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  }

  return {
    next() {
      const frame = nextFrame()
      const event = frame && textEvent(frame)
      return event ? Promise.resolve({ done: false, value: event }) : slow(frame)
    },
    return() {
      body.destroy()
      return Promise.resolve(done)
    },
  }
}

const minimumFrameBytes = 16
const preludeBytes = 12
const checksumBytes = 4

type EventType = 'contentBlockDelta' | 'chunk'

/** The header blocks of the two events that carry text, as they came; they are the same in every frame of a kind. */
const knownHeaders = new Map<string, EventType | undefined>()
const maxKnownHeaders = 64

/** The event of a frame that carries a piece of an answer and nothing unusual. */
function textEvent(frame: Buffer): unknown {
  const headersEnd = preludeBytes + frame.readUInt32BE(4)
  const bodyEnd = frame.length - checksumBytes
  if (headersEnd > bodyEnd) return undefined
  const type = typeOf(frame.toString('latin1', preludeBytes, headersEnd))
  if (!type) return undefined
  if (crc32(frame.subarray(0, 8)) !== frame.readUInt32BE(8)) return undefined
  if (crc32(frame.subarray(0, bodyEnd)) !== frame.readUInt32BE(bodyEnd)) return undefined
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

/** The type of an event, if it is one of the two and its headers say nothing else. */
function typeOf(headers: string): EventType | undefined {
  if (knownHeaders.has(headers)) return knownHeaders.get(headers)
  const named = stringHeaders(headers)
  const type = named?.get(':message-type') === 'event' ? named.get(':event-type') : undefined
  const known = type === 'contentBlockDelta' || type === 'chunk' ? type : undefined
  if (knownHeaders.size < maxKnownHeaders) knownHeaders.set(headers, known)
  return known
}

const stringType = 7

/** The headers of a block in which all values are strings, as Bedrock's are. */
function stringHeaders(block: string): Map<string, string> | undefined {
  const headers = new Map<string, string>()
  for (let at = 0; at < block.length; ) {
    const nameEnd = at + 1 + block.charCodeAt(at)
    if (block.charCodeAt(nameEnd) !== stringType) return undefined
    const length = block.charCodeAt(nameEnd + 1) * 256 + block.charCodeAt(nameEnd + 2)
    const valueEnd = nameEnd + 3 + length
    if (!(valueEnd <= block.length)) return undefined
    headers.set(block.slice(at + 1, nameEnd), block.slice(nameEnd + 3, valueEnd))
    at = valueEnd
  }
  return headers
}

async function* once(frame: Uint8Array): AsyncGenerator<Uint8Array> {
  yield frame
}
