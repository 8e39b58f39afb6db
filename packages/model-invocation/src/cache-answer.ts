/** Answers as bytes: written while they come, so that nobody who changes what he was given changes what others get. */

import { DefaultDeserializer, DefaultSerializer } from 'node:v8'

export interface KeptAnswer {
  readonly output: unknown
  /** Of a streamed answer. */
  readonly events?: readonly unknown[]
}

export interface AnswerWriter {
  add(event: unknown): void
  /** The bytes; undefined when something was no data. Called once. */
  bytes(): Uint8Array | undefined
}

const whole = 0
const streamed = 1
const event = 2
const end = 3

/** Begins with the output of an answer. V8's own format keeps bytes as bytes and is read by every later Node. */
export function answerWriter(output: unknown, isStream: boolean): AnswerWriter {
  const serializer = new DefaultSerializer()
  let isData = true

  function write(kind: number, value: unknown): void {
    if (!isData) return
    try {
      serializer.writeUint32(kind)
      serializer.writeValue(value)
    } catch {
      isData = false
    }
  }

  serializer.writeHeader()
  write(isStream ? streamed : whole, withoutStreams(output))
  return {
    add: (value) => write(event, value),
    bytes() {
      serializer.writeUint32(end)
      const bytes = serializer.releaseBuffer()
      return isData ? bytes : undefined
    },
  }
}

/** @throws Error when the bytes are none of ours, or a later Node's */
export function readAnswer(bytes: Uint8Array): KeptAnswer {
  // A copy: what is read shares its memory with what it is read from.
  const deserializer = new DefaultDeserializer(new Uint8Array(bytes))
  deserializer.readHeader()
  const kind = deserializer.readUint32()
  const output: unknown = deserializer.readValue()
  if (kind === whole) return { output }
  const events: unknown[] = []
  while (deserializer.readUint32() === event) events.push(deserializer.readValue())
  return { output, events }
}

/** The output of the SDK for a stream holds the stream itself; its events are kept apart. */
function withoutStreams(output: unknown): unknown {
  if (typeof output !== 'object' || output === null) return output
  return Object.fromEntries(
    Object.entries(output).filter(
      ([, value]) =>
        typeof (value as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator] !== 'function',
    ),
  )
}
