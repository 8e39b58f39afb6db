/** Whether the options of `tokenStream()` can be right. */

import type { TokenStreamOptions } from './token-stream.ts'

/** @throws TypeError that names the option and its value */
export function checkOptions<Event>(options: TokenStreamOptions<Event>): void {
  function check(option: string, value: unknown, right: (value: never) => boolean, advice: string): void {
    if (value === undefined || right(value as never)) return
    throw new TypeError(`tokenStream: ${option} is ${String(value)}. Give ${advice}.`)
  }
  const oneOf = (words: readonly string[]) => (value: string) => words.includes(value)
  const atLeast0 = (value: number) => Number.isFinite(value) && value >= 0
  const above0 = (value: number) => Number.isFinite(value) && value > 0
  const isFunction = (value: unknown) => typeof value === 'function'

  const { format, delivery, coalesceMs, heartbeatMs, maxDurationMs, maxTokens, cancel } = options
  check('format', format, oneOf(formats), formats.join(', '))
  if (!isFunction(delivery))
    check('delivery', delivery, oneOf(deliveries), `${deliveries.join(', ')} or a function`)
  check('coalesceMs', coalesceMs, atLeast0, 'milliseconds')
  check('heartbeatMs', heartbeatMs, atLeast0, 'milliseconds')
  check('maxDurationMs', maxDurationMs, above0, 'milliseconds above 0')
  check('maxTokens', maxTokens, above0, 'a number above 0')
  if (!cancel) return
  check(
    'cancel.store',
    cancel.store ?? null,
    (store: typeof cancel.store) => isFunction(store?.get),
    'a CacheStore',
  )
  check('cancel.key', cancel.key ?? null, isFunction, 'a function of the event')
  check('cancel.pollMs', cancel.pollMs, above0, 'milliseconds above 0')
}

const formats = ['sse', 'text', 'ai-sdk']
const deliveries = ['stream', 'whole', 'json']
