/** What is told in a stream: the data of server-sent events, or lines as they are, whichever comes. */

import { byteLines } from '../sdk/byte-lines.ts'

export interface LineReader {
  /** What is whole by now. */
  push(bytes: Uint8Array): string[]
  /** What is left at the end of the stream. */
  end(): string[]
  /** Bytes that wait for the rest of their line. */
  readonly waiting: number
}

export function lineReader(): LineReader {
  const lines = byteLines()
  let data: string[] = []

  /** An event ends with a blank line, and every other line with itself. */
  function told(line: string): string[] {
    if (line.trim() === '') {
      const event = data.length > 0 ? [data.join('\n')] : []
      data = []
      return event
    }
    if (line.startsWith('data:')) {
      data.push(line.slice(line[5] === ' ' ? 6 : 5))
      return []
    }
    return /^(?::|event:|id:|retry:)/.test(line) ? [] : [line]
  }

  return {
    get waiting() {
      return lines.waiting
    },
    push: (bytes) => lines.push(bytes).flatMap(told),
    end: () => [...lines.end(), ''].flatMap(told),
  }
}
