/**
 * What happens below the SDK's middleware: the signal of the attempt reaches the wire, sessions are reused, and a
 * session that slept through a freeze is not trusted.
 */

import { currentAttempt } from '@sluice/core'
import { isRefused } from './errors.ts'
import { overriding } from './overriding.ts'

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
  /** Wall-clock time: it goes on while the sandbox is frozen. */
  now(): number
}

/** Idle for longer, a connection may have been dropped by something between us and the service that told nobody. */
const maxIdleMs = 30_000
const maxRefusals = 3

/** By handler: several clients may share one, and none may close its sessions while another one's call is open. */
const uses = new WeakMap<object, { open: number; lastMs: number }>()

/** Wraps the handler of a client in place of it; everything it does not know passes through to the original. */
export function guardedRequestHandler<Handler extends RequestHandler>(
  handler: Handler,
  { reuseSessions, now }: RequestHandlerOptions,
): Handler {
  const reused = reuseSessions && handler.metadata?.handlerProtocol === 'h2'
  // The SDK's default opens a session, and a TLS connection, for each request.
  if (reused) handler.updateHttpClientConfig?.('disableConcurrentStreams', false)
  const use = uses.get(handler) ?? { open: 0, lastMs: Infinity }
  uses.set(handler, use)

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
    const attempt = currentAttempt()
    // The marker of the SDK for two-way streams; it would give an answer that streams a session of its own.
    const sendOptions: HandlerOptions = attempt
      ? { ...options, abortSignal: attempt.signal, ...(reused && { isEventStream: false }) }
      : options
    if (!reused) return handler.handle(request, sendOptions)
    if (use.open === 0 && now() - use.lastMs > maxIdleMs) handler.destroy?.()
    use.open++
    const close = (lastMs: number) => {
      use.open--
      use.lastMs = lastMs
    }
    try {
      const sent = await send(request, sendOptions)
      onceClosed(sent.response.body, () => close(now()))
      return sent
    } catch (error) {
      // Given up on without an answer: should the session be dead, all that follow would wait in vain as well.
      close(-Infinity)
      throw error
    }
  }

  return overriding(handler, { handle } as Partial<Handler>)
}

function onceClosed(body: unknown, close: () => void): void {
  if (typeof body === 'object' && body !== null && 'once' in body && typeof body.once === 'function') {
    body.once('close', close)
  } else {
    close()
  }
}
