/** Whether the options of `tokenStream()` can be right. */

import type { TokenStreamOptions } from './token-stream.ts'

const formats = ['sse', 'text', 'ai-sdk']
const deliveries = ['stream', 'whole', 'json']

/** @throws TypeError that names the option and its value */
export function checkOptions<Event>(options: TokenStreamOptions<Event>): void {
  const { format = 'sse', delivery = 'stream', cancel } = options

  function refuse(option: string, value: unknown, advice: string): never {
    throw new TypeError(`tokenStream: ${option} is ${String(value)}. Give ${advice}.`)
  }

  if (!formats.includes(format)) refuse('format', format, `one of ${formats.join(', ')}`)
  if (typeof delivery !== 'function' && !deliveries.includes(delivery)) {
    refuse('delivery', delivery, `one of ${deliveries.join(', ')}, or a function of the event`)
  }
  for (const option of ['coalesceMs', 'heartbeatMs'] as const) {
    const value = options[option] ?? 0
    if (!(Number.isFinite(value) && value >= 0))
      refuse(option, value, 'a number of milliseconds of at least 0')
  }
  for (const option of ['maxDurationMs', 'maxTokens'] as const) {
    const value = options[option] ?? 1
    if (!(Number.isFinite(value) && value > 0)) refuse(option, value, 'a number above 0')
  }
  if (!cancel) return
  if (typeof cancel.store?.get !== 'function') {
    refuse('cancel.store', cancel.store, 'a store such as dynamoDBCacheStore()')
  }
  if (typeof cancel.key !== 'function') refuse('cancel.key', cancel.key, 'a function of the event')
  const { pollMs = 1 } = cancel
  if (!(Number.isFinite(pollMs) && pollMs > 0))
    refuse('cancel.pollMs', pollMs, 'a number of milliseconds above 0')
}
