/**
 * What happens below the SDK's middleware: the signal of the attempt reaches the wire, sessions are reused, and a
 * session that slept through a freeze is not trusted.
 */

import type { Attempt } from '@sluice/core'
import { isRefused } from './errors.ts'

interface HandlerOptions {
  readonly abortSignal?: AbortSignal
  readonly isEventStream?: boolean
}

/** What the SDK asks of a request handler, and what its HTTP/2 handler has besides. */
export interface RequestHandler {
  readonly metadata?: { readonly handlerProtocol?: string }
  handle(request: object, options?: HandlerOptions): Promise<{ response: { body?: unknown } }>
  destroy?(): void
  updateHttpClientConfig?(key: string, value: unknown): void
}

export interface RequestHandlerOptions {
  readonly reuseSessions: boolean
  /** The attempt that a request belongs to. */
  attemptOf(request: object): Attempt | undefined
  /** Wall-clock time: it goes on while the sandbox is frozen. */
  now(): number
}

/** Idle for longer, a connection may have been dropped by something between us and the service that told nobody. */
const maxIdleMs = 30_000
const maxRefusals = 3

/** Wraps the handler of a client in place of it; everything it does not know passes through to the original. */
export function guardedRequestHandler<Handler extends RequestHandler>(
  handler: Handler,
  { reuseSessions, attemptOf, now }: RequestHandlerOptions,
): Handler {
  const reused = reuseSessions && handler.metadata?.handlerProtocol === 'h2'
  // The SDK's default opens a session, and a TLS connection, for each request.
  if (reused) handler.updateHttpClientConfig?.('disableConcurrentStreams', false)
  let open = 0
  let lastUsedMs = 0

  async function send(request: object, options: HandlerOptions): Promise<{ response: { body?: unknown } }> {
    for (let refusals = 0; ; refusals++) {
      try {
        return await handler.handle(request, options)
      } catch (error) {
        // Not an attempt: the server said that it did not look at it. Any server that closes a session does this.
        if (refusals >= maxRefusals || !isRefused(error) || options.abortSignal?.aborted) throw error
      }
    }
  }

  async function handle(
    request: object,
    options: HandlerOptions = {},
  ): Promise<{ response: { body?: unknown } }> {
    const attempt = attemptOf(request)
    if (!attempt) return handler.handle(request, options)
    // The marker of the SDK for two-way streams; it would give an answer that streams a session of its own.
    const sendOptions: HandlerOptions = {
      ...options,
      abortSignal: attempt.signal,
      ...(reused && { isEventStream: false }),
    }
    if (!reused) return handler.handle(request, sendOptions)
    if (open === 0 && lastUsedMs > 0 && now() - lastUsedMs > maxIdleMs) handler.destroy?.()
    open++
    const close = () => {
      open--
      lastUsedMs = now()
    }
    try {
      const sent = await send(request, sendOptions)
      onceClosed(sent.response.body, close)
      return sent
    } catch (error) {
      close()
      throw error
    }
  }

  return new Proxy(handler, {
    get: (target, key) => {
      if (key === 'handle') return handle
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function onceClosed(body: unknown, close: () => void): void {
  if (typeof body === 'object' && body !== null && 'once' in body && typeof body.once === 'function') {
    body.once('close', close)
  } else {
    close()
  }
}
