/** Guards on a client that its user keeps: same object, same type, same outputs. */

import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import {
  type Attempt,
  callModel,
  currentAttempt,
  currentScope,
  insideAttempt,
  type Policy,
  type SluiceError,
} from '@sluice/core'
import { retry } from '../retry.ts'
import { toSluiceError } from './errors.ts'
import { type EventStreamMarshaller, fastMarshaller } from './event-stream.ts'
import type { Headers } from './invoke-model.ts'
import { operations, requestOf, sentOf } from './operations.ts'
import { guardedRequestHandler, type RequestHandler } from './request-handler.ts'

export interface GuardedOptions {
  /**
   * What a call outside of any invocation does (module init, a script, a forgotten `.use()`): behave as the bare
   * SDK and warn once, or throw.
   *
   * @default 'warn'
   */
  readonly outside?: 'warn' | 'throw'
  /**
   * Keeps HTTP/2 sessions between calls instead of opening one for each. Only ever applies to the SDK's HTTP/2 handler.
   *
   * @default true
   */
  readonly reuseSessions?: boolean
  /** Wall-clock milliseconds, by which a session that slept is recognised. */
  readonly now?: () => number
}

/** The parts of a client that are wrapped; of the SDK's public, documented configuration. */
interface ClientInternals {
  readonly config: {
    requestHandler: RequestHandler
    eventStreamMarshaller?: EventStreamMarshaller
    retryStrategy(): Promise<unknown>
    maxAttempts(): Promise<number>
  }
  readonly middlewareStack: {
    add(
      middleware: Middleware,
      options: { step: string; priority: string; name: string; override: boolean },
    ): void
  }
}

interface Arguments {
  readonly input: object
  readonly request?: object
  readonly [attemptKey]?: Attempt
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

const attemptKey: unique symbol = Symbol('sluice.attempt')
const guardedKey = Symbol.for('sluice.guarded.1')

/**
 * Puts the policies of the running invocation around every Converse, ConverseStream, InvokeModel and
 * InvokeModelWithResponseStream of a client, and reuses its sessions. The client is changed in place and returned;
 * guarding it twice is guarding it once. Outputs and events stay the SDK's own; a stream that ends early throws
 * `StreamInterruptedError` instead of ending politely.
 *
 * @example
 * ```ts
 * import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
 * import middy from '@middy/core'
 * import { retry } from '@sluice/model-invocation'
 * import { guarded } from '@sluice/model-invocation/bedrock'
 *
 * const client = guarded(new BedrockRuntimeClient({}))
 *
 * export const handler = middy<{ text: string }>()
 *   .use(retry())
 *   .handler(async (event) => {
 *     const { output } = await client.send(
 *       new ConverseCommand({
 *         modelId: 'eu.amazon.nova-lite-v1:0',
 *         messages: [{ role: 'user', content: [{ text: event.text }] }],
 *         inferenceConfig: { maxTokens: 300 },
 *       }),
 *     )
 *     return output?.message?.content?.[0]?.text
 *   })
 * ```
 */
export function guarded<Client extends BedrockRuntimeClient>(
  client: Client,
  { outside = 'warn', reuseSessions = true, now = Date.now }: GuardedOptions = {},
): Client {
  const internals = client as unknown as ClientInternals & { [guardedKey]?: true }
  if (internals[guardedKey]) return client
  Object.defineProperty(client, guardedKey, { value: true })
  const { config, middlewareStack } = internals
  const attempts = new WeakMap<object, Attempt>()
  const inherited = config.retryStrategy
  let defaults: Promise<readonly Policy[]> | undefined
  let warned = false

  config.requestHandler = guardedRequestHandler(config.requestHandler, {
    reuseSessions,
    attemptOf: (request) => attempts.get(request),
    now,
  })
  if (typeof config.eventStreamMarshaller?.deserialize === 'function') {
    config.eventStreamMarshaller = fastMarshaller(
      config.eventStreamMarshaller,
      () => currentAttempt() !== undefined,
    )
  }
  // The chain is the only retry loop of a guarded call; outside of one the SDK's own goes on as it was.
  config.retryStrategy = async () => (currentAttempt() ? once : inherited())

  function unguarded(): void {
    if (outside === 'throw') {
      throw new Error(
        'A guarded client was called outside of an invocation. Put a Sluice middleware (retry(), modelInvocation(), ...) ' +
          'on the handler, or wrap a script in runInScope().',
      )
    }
    if (warned) return
    warned = true
    process.emitWarning(
      'A guarded client was called outside of an invocation; such calls have no policies. Put a Sluice middleware on ' +
        'the handler, or wrap a script in runInScope().',
      'SluiceWarning',
    )
  }

  middlewareStack.add(
    (next, context) => async (args) => {
      const operation = operations[context.commandName ?? '']
      if (!operation) return next(args)
      // Somebody further out holds the guards: this is the sending of their attempt.
      const outer = currentAttempt()
      if (outer) return next({ ...args, [attemptKey]: outer })
      const scope = currentScope()
      if (!scope) {
        unguarded()
        return next(args)
      }
      defaults ??= config.maxAttempts().then((maxAttempts) => [retry({ maxAttempts })])
      let result: Result | undefined
      let attemptsMade = 0
      const request = requestOf(operation, args.input, {
        async send(request, { attempt }) {
          attemptsMade = attempt.number
          const input = request.payload as object
          result = await insideAttempt(scope, attempt, () => next({ ...args, input, [attemptKey]: attempt }))
          return sentOf(operation, result.output, headersOf(result.response))
        },
        toError,
      })
      try {
        const response = await callModel(scope, request, {
          signal: signalOf(context),
          defaults: await defaults,
        })
        const output = response.output as Result['output']
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

  // The last step before the wire: the request that is really sent leads the handler to its attempt.
  middlewareStack.add(
    (next) => (args) => {
      const attempt = args[attemptKey]
      if (attempt && args.request) attempts.set(args.request, attempt)
      return next(args)
    },
    { step: 'deserialize', priority: 'low', name: 'sluiceAttempt', override: true },
  )
  return client
}

const originals = new WeakMap<object, unknown>()

function toError(thrown: unknown): SluiceError {
  const error = toSluiceError(thrown)
  if (error !== thrown) originals.set(error, thrown)
  return error
}

/** One attempt, as the SDK's retry strategies are spoken to. */
const once = {
  acquireInitialRetryToken: async () => onceToken,
  refreshRetryTokenForRetry: async () => {
    throw new Error('Retries of a guarded call are made by its chain.')
  },
  recordSuccess: () => {},
}
const onceToken = { getRetryCount: () => 0, getRetryDelay: () => 0, getRetryCost: () => 0 }

function signalOf(context: Record<string, unknown>): AbortSignal | undefined {
  return (context.__smithy_context as { readonly abortSignal?: AbortSignal } | undefined)?.abortSignal
}

function headersOf(response: unknown): Headers {
  return (response as { readonly headers?: Headers } | undefined)?.headers ?? {}
}
