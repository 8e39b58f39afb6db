import { EventStreamCodec } from '@smithy/eventstream-codec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorFrame, eventFrame, exceptionFrame } from './event-stream.ts'

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
