/** Guards on a client that its user keeps: same object, same type, same outputs. What a service calls things, it says itself. */

import {
  callModel,
  currentAttempt,
  currentScope,
  insideAttempt,
  type ModelRequest,
  type Policy,
  type Scope,
  type Sent,
  SluiceError,
  type Transport,
} from '@sluice/core'
import { retry } from '../retry.ts'
import { type ClientOptions, prepareClient } from './client.ts'

export interface GuardClientOptions extends ClientOptions {
  /**
   * What a call outside of any invocation does (module init, a script, a forgotten `.use()`): behave as the bare
   * SDK and warn once, or throw.
   *
   * @default 'warn'
   */
  readonly outside?: 'warn' | 'throw'
}

/** Response headers, some of which the SDK does not model. */
export type Headers = Readonly<Record<string, string | undefined>>

/** An operation that runs a model, as a guard needs to know it. */
export interface GuardedOperation {
  /** The member of the output that holds the events of a stream. */
  readonly events?: string | undefined
  /** An input of the SDK as policies see it. */
  request(input: object, transport: Transport): ModelRequest
  /** How a request is made for another model. */
  readonly withModel: NonNullable<Transport['withModel']>
  /** How a request is made with another maximum of output tokens. */
  readonly withMaxTokens?: Transport['withMaxTokens']
  /** What is sent, where it is more than what the caller wrote. */
  input?(input: object, scope: Scope): object
  /** An output of the SDK as core takes it. */
  sent(output: object, headers: Headers): Sent
}

/** How one service is guarded. */
export interface GuardedService {
  /** By the name of the command; all others pass through. */
  readonly operations: Readonly<Record<string, GuardedOperation>>
  toError(thrown: unknown): SluiceError
}

/** Of the SDK's public, documented surface. */
interface ClientInternals {
  readonly config: { maxAttempts(): Promise<number> }
  readonly middlewareStack: {
    add(
      middleware: Middleware,
      options: { step: string; priority: string; name: string; override: boolean },
    ): void
  }
}

interface Arguments {
  readonly input: object
}

interface Result {
  readonly response: unknown
  readonly output: object & { $metadata?: { attempts?: number } }
}

interface SdkFailure {
  readonly $metadata?: { attempts?: number }
}

type Handler = (args: Arguments) => Promise<Result>
type Middleware = (
  next: Handler,
  context: { readonly commandName?: string; readonly [key: string]: unknown },
) => Handler

const guardedKey = Symbol.for('sluice.guarded.1')

/** Puts the policies of the running invocation around the operations of a client, in place. A second time changes nothing. */
export function guardClient<Client extends { readonly config: object }>(
  client: Client,
  { operations, toError }: GuardedService,
  { outside = 'warn', ...options }: GuardClientOptions,
): Client {
  if (guardedKey in client) return client
  Object.defineProperty(client, guardedKey, { value: true })
  prepareClient(client, options)
  const { config, middlewareStack } = client as unknown as ClientInternals
  let defaults: Promise<readonly Policy[]> | undefined
  let warned = false

  function unguarded(): void {
    const message =
      'A guarded client was called outside of an invocation, so without policies. Put a Sluice middleware such as ' +
      'retry() on the handler, or wrap a script in runInScope().'
    if (outside === 'throw') throw new SluiceError(message, { code: 'no_scope' })
    if (!warned) process.emitWarning(message, 'SluiceWarning')
    warned = true
  }

  middlewareStack.add(
    (next, context) => async (args) => {
      const operation = operations[context.commandName ?? '']
      // Inside of an attempt somebody further out holds the guards: this is the sending.
      if (!operation || currentAttempt()) return next(args)
      const scope = currentScope()
      if (!scope) {
        unguarded()
        return next(args)
      }
      defaults ??= config.maxAttempts().then((maxAttempts) => [retry({ maxAttempts })])
      let result: Result | undefined
      let attemptsMade = 0
      const request = operation.request(args.input, {
        async send({ payload }, { attempt }) {
          attemptsMade = attempt.number
          const input = operation.input?.(payload as object, scope) ?? (payload as object)
          result = await insideAttempt(scope, attempt, () => next({ ...args, input }))
          return operation.sent(result.output, headersOf(result.response))
        },
        toError(thrown) {
          const error = toError(thrown)
          if (error !== thrown) originals.set(error, thrown)
          return error
        },
        withModel: operation.withModel,
        withMaxTokens: operation.withMaxTokens,
      })
      try {
        const response = await callModel(scope, request, {
          signal: signalOf(context),
          defaults: await defaults,
        })
        const output = withText(response.output as Result['output'])
        if (response.events) Object.assign(output, { [operation.events as string]: response.events })
        if (output.$metadata) output.$metadata.attempts = attemptsMade
        return { response: result?.response, output }
      } catch (error) {
        // Existing code knows the SDK's errors; ours are only for what the SDK has no word for.
        const original = originals.get(error as object) as SdkFailure | undefined
        if (original?.$metadata) original.$metadata.attempts = attemptsMade
        throw original ?? error
      }
    },
    { step: 'initialize', priority: 'high', name: 'sluiceGuard', override: true },
  )

  return client
}

/** The body of the SDK's own, which an answer from a cache has lost, can be read as text. */
function withText(output: Result['output']): Result['output'] {
  const { body, Body = body } = output as { readonly body?: unknown; readonly Body?: unknown }
  if (Body instanceof Uint8Array && !('transformToString' in Body)) {
    const transformToString = (encoding: BufferEncoding = 'utf8') => Buffer.from(Body).toString(encoding)
    Object.defineProperty(Body, 'transformToString', { value: transformToString })
  }
  return output
}

const originals = new WeakMap<object, unknown>()

function signalOf(context: Record<string, unknown>): AbortSignal | undefined {
  return (context.__smithy_context as { readonly abortSignal?: AbortSignal } | undefined)?.abortSignal
}

function headersOf(response: unknown): Headers {
  return (response as { readonly headers?: Headers } | undefined)?.headers ?? {}
}
