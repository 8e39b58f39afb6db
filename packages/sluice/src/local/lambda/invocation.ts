import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A failure as Lambda reports it to the caller of a function. */
export interface FunctionError {
  /** The name of the thrown error, or `Sandbox.Timedout`, `Runtime.ExitError`, `Runtime.ImportModuleError` and so on. */
  readonly errorType: string
  readonly errorMessage: string
  readonly trace: readonly string[]
}

/** How an invocation ended; without `error` it succeeded. */
export interface InvocationEnd {
  readonly error: FunctionError | undefined
  /** From the delivery of the event to the end of the answer, without the cold start. */
  readonly durationMs: number
  /** What the sandbox wrote for this invocation: the last 1,000 lines. */
  readonly logs: readonly string[]
}

/** One event on its way through a sandbox. */
export interface Invocation {
  readonly requestId: string
  readonly event: string
  readonly coldStart: boolean
  /** The answer, as soon as its head is there; `undefined` when the invocation ended without one. */
  readonly response: Promise<IncomingMessage | undefined>
  /** Never rejects. */
  readonly ended: Promise<InvocationEnd>
  delivered(coldStart: boolean): void
  respond(response: IncomingMessage): void
  log(line: string): void
  /** The first call counts. */
  end(error?: FunctionError): void
}

const maxLogLines = 1_000

export function createInvocation(event: string): Invocation {
  const response = Promise.withResolvers<IncomingMessage | undefined>()
  const ended = Promise.withResolvers<InvocationEnd>()
  const logs: string[] = []
  let deliveredAt: number | undefined
  let coldStart = false
  let over = false
  return {
    requestId: randomUUID(),
    event,
    get coldStart() {
      return coldStart
    },
    response: response.promise,
    ended: ended.promise,
    delivered(cold) {
      coldStart = cold
      deliveredAt = performance.now()
    },
    respond(message) {
      // An answer that comes too late still has to be read, or the runtime waits for ever.
      if (over) message.resume()
      else response.resolve(message)
    },
    log(line) {
      if (logs.push(line) > maxLogLines) logs.shift()
    },
    end(error) {
      const durationMs = deliveredAt === undefined ? 0 : performance.now() - deliveredAt
      over = true
      response.resolve(undefined)
      // The lines written before the answer are in the pipe already, but may be read after it in this turn.
      setImmediate(() => ended.resolve({ error, durationMs, logs: [...logs] }))
    },
  }
}
