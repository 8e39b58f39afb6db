/** Plain text. */

import type { Encoder } from '../stream-part.ts'

/** Only the tokens. A stream that is not whole ends with a line that says so, for there is no other way to tell. */
export function textEncoder(): Encoder {
  return {
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // Otherwise browsers hold back the first bytes to guess what they are.
      'x-content-type-options': 'nosniff',
    },
    encode(part) {
      if (part.type === 'token') return part.text
      return part.type === 'error' ? `\n[broken off: ${part.code}]` : ''
    },
  }
}
