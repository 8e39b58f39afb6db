/** Frames of `application/vnd.amazon.eventstream`, with both checksums. */
import { crc32 } from 'node:zlib'
import { EventStreamCodec } from '@smithy/eventstream-codec'

const PRELUDE_BYTES = 12
const CHECKSUM_BYTES = 4

// The codec writes the headers once per kind of event; a frame per token is then two checksums and a copy,
// several times cheaper than encoding every message through it.
const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
)
const eventHeaders = new Map<string, Buffer>()

/** One event of a response stream, its payload already JSON. */
export function eventFrame(eventType: string, json: string): Buffer {
  let headers = eventHeaders.get(eventType)
  if (!headers) {
    headers = headerBlock({
      ':event-type': eventType,
      ':content-type': 'application/json',
      ':message-type': 'event',
    })
    eventHeaders.set(eventType, headers)
  }
  return frame(headers, json)
}

/** An event whose payload is bytes as they are. */
export function bytesFrame(eventType: string, bytes: Uint8Array): Buffer {
  const headers = {
    ':event-type': eventType,
    ':content-type': 'application/octet-stream',
    ':message-type': 'event',
  }
  return frame(headerBlock(headers), bytes)
}

/** A modelled exception inside a stream; `member` is spelt as the union member, e.g. `throttlingException`. */
export function exceptionFrame(member: string, message: string, errorCode?: string): Buffer {
  const headers = {
    ':exception-type': member,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  }
  return frame(
    headerBlock(headers),
    JSON.stringify({ message, ...(errorCode && { Message: message, ErrorCode: errorCode }) }),
  )
}

/** An error that the model of the service does not list: code and message travel in the headers. */
export function errorFrame(code: string, message: string): Buffer {
  return frame(headerBlock({ ':error-code': code, ':error-message': message, ':message-type': 'error' }), '')
}

function headerBlock(headers: Record<string, string>): Buffer {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }] as const)
  return Buffer.from(codec.formatHeaders(Object.fromEntries(typed)))
}

function frame(headers: Buffer, payload: string | Uint8Array): Buffer {
  const payloadBytes = Buffer.byteLength(payload)
  const length = PRELUDE_BYTES + headers.length + payloadBytes + CHECKSUM_BYTES
  const message = Buffer.allocUnsafe(length)
  message.writeUInt32BE(length, 0)
  message.writeUInt32BE(headers.length, 4)
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8)
  headers.copy(message, PRELUDE_BYTES)
  const start = PRELUDE_BYTES + headers.length
  if (typeof payload === 'string') message.write(payload, start, 'utf8')
  else message.set(payload, start)
  message.writeUInt32BE(crc32(message.subarray(0, length - CHECKSUM_BYTES)), length - CHECKSUM_BYTES)
  return message
}
