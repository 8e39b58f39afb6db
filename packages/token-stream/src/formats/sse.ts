/** Typed server-sent events. */

import type { Encoder } from '../stream-part.ts'

/** `token`, `reasoning`, `tool`, `usage`, and last `done` or `error`; the data of each is one JSON object. */
export function sseEncoder(): Encoder {
  return {
    headers: sseHeaders,
    heartbeat: ':\n\n',
    encode(part) {
      switch (part.type) {
        case 'token':
          return `event: token\ndata: {"text":${JSON.stringify(part.text)}}\n\n`
        // The reader gets a tool's input whole, and the reason with the last event.
        case 'tool-start':
        case 'tool-input':
        case 'stop':
          return ''
        case 'usage':
          return sseEvent('usage', part.usage)
        default: {
          const { type, ...data } = part
          return sseEvent(type, data)
        }
      }
    },
  }
}

/** For everything that buffers on the way to say that it must not. */
export const sseHeaders: Encoder['headers'] = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

function sseEvent(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
