/** The time that an answer of Redis is worth waiting for. */

/** Clients cannot take a command back; its answer is not waited for. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const leave = () => reject(signal?.reason)
  const timer = setTimeout(
    () => reject(new DOMException(`no answer from Redis within ${timeoutMs} ms`, 'TimeoutError')),
    timeoutMs,
  )
  signal?.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', leave)
  }
}
