/** Work of somebody else that must not hold up a call. */

import type { Clock } from '@sluice/core'

/** What a task comes to. After `timeoutMs` its signal aborts, and it is no longer waited for. */
export async function inTime<Value>(
  clock: Clock,
  timeoutMs: number,
  task: (signal: AbortSignal) => Value | Promise<Value>,
): Promise<Value> {
  const limit = new AbortController()
  const late = Promise.withResolvers<never>()
  const cancel = clock.after(timeoutMs, () => {
    limit.abort()
    late.reject(new Error(`no answer within ${timeoutMs} ms`))
  })
  try {
    return await Promise.race([task(limit.signal), late.promise])
  } finally {
    cancel()
  }
}
