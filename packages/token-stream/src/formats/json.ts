/** A whole answer as one JSON object. */

import type { Encoder } from '../stream-part.ts'

/** Writes everything at the end: for answers that are not streamed. */
export function jsonEncoder(): Encoder {
  let text = ''
  let reasoning = ''
  const tools: object[] = []
  return {
    headers: { 'content-type': 'application/json' },
    encode(part) {
      if (part.type === 'token') text += part.text
      else if (part.type === 'reasoning') reasoning += part.text
      else if (part.type === 'tool') tools.push({ id: part.id, name: part.name, input: part.input })
      else if (part.type === 'done') {
        const { type, ...end } = part
        return JSON.stringify({
          text,
          ...(reasoning && { reasoning }),
          ...(tools.length > 0 && { tools }),
          ...end,
        })
      }
      return ''
    },
  }
}
