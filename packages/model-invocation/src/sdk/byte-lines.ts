/** Lines out of bytes that were cut anywhere, also within a character. */

export interface ByteLines {
  /** The lines that are whole by now, without their ends. */
  push(bytes: Uint8Array): string[]
  /** What is left at the end, which need not end with a line break. */
  end(): string[]
  /** Bytes that wait for the rest of their line. */
  readonly waiting: number
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Decodes a line at a time: no character of UTF-8 has a line feed within. */
export function byteLines(): ByteLines {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0

  function take(last: Uint8Array): string {
    const bytes = waiting.length === 0 ? last : Buffer.concat([...waiting, last])
    waiting = []
    waitingBytes = 0
    const length = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length
    return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('utf8')
  }

  return {
    get waiting() {
      return waitingBytes
    },
    push(bytes) {
      const lines: string[] = []
      let start = 0
      for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, start)) {
        lines.push(take(bytes.subarray(start, at)))
        start = at + 1
      }
      if (start < bytes.length) {
        waiting.push(bytes.slice(start))
        waitingBytes += bytes.length - start
      }
      return lines
    },
    end: () => (waiting.length > 0 ? [take(new Uint8Array())] : []),
  }
}
