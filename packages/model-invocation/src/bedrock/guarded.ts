/** Guards on a client that its user keeps: same object, same type, same outputs. */

import type {
  BedrockRuntimeClient,
  InvokeModelCommandInput,
  InvokeModelWithResponseStreamCommandInput,
} from '@aws-sdk/client-bedrock-runtime'
import {
  callModel,
  currentAttempt,
  currentScope,
  insideAttempt,
  type Policy,
  type Scope,
  SluiceError,
} from '@sluice/core'
import { retry } from '../retry.ts'
import { type ClientOptions, prepareClient } from './client.ts'
import { converse, converseStream } from './converse.ts'
import { toSluiceError } from './errors.ts'
import { invokeModel, invokeModelStream } from './invoke-model.ts'
import { type Headers, type Operation, requestOf, sentOf, toModel } from './operation.ts'
import { requestMetadataOf } from './request-metadata.ts'

export interface GuardedOptions extends ClientOptions {
  /**
   * What a call outside of any invocation does (module init, a script, a forgotten `.use()`): behave as the bare
   * SDK and warn once, or throw.
   *
   * @default 'warn'
   */
  readonly outside?: 'warn' | 'throw'
  /**
   * Describes bodies of InvokeModel whose family is not known here: what they declare as the most output tokens, and the
   * size of their prompt in bytes, for quotas and estimates. What it leaves out is found in the body where it can be.
   */
  readonly describe?: (
    input: InvokeModelCommandInput | InvokeModelWithResponseStreamCommandInput,
  ) => { readonly maxTokens?: number; readonly inputBytes?: number } | undefined
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

/** By the name of the command; all others pass through. */
function operationsWith(describe: GuardedOptions['describe']): Readonly<Record<string, Operation>> {
  const described = (operation: Operation): Operation =>
    describe
      ? { ...operation, describe: (input) => ({ ...operation.describe(input), ...describe(input) }) }
      : operation
  return {
    ConverseCommand: converse,
    ConverseStreamCommand: converseStream,
    InvokeModelCommand: described(invokeModel),
    InvokeModelWithResponseStreamCommand: described(invokeModelStream),
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
  { outside = 'warn', describe, ...options }: GuardedOptions = {},
): Client {
  if (guardedKey in client) return client
  Object.defineProperty(client, guardedKey, { value: true })
  prepareClient(client, options)
  const { config, middlewareStack } = client as unknown as ClientInternals
  const operations = operationsWith(describe)
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
      const request = requestOf(operation, args.input, {
        async send(request, { attempt }) {
          attemptsMade = attempt.number
          const input = withMetadata(operation, request.payload as object, scope)
          result = await insideAttempt(scope, attempt, () => next({ ...args, input }))
          return sentOf(operation, result.output, headersOf(result.response))
        },
        toError,
        withModel: toModel(operation),
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

/** Says whose call it is. Where the caller has said so himself in JSON, that is left alone. */
function withMetadata({ name }: Operation, input: object, scope: Scope): object {
  const { requestMetadata: own } = input as { readonly requestMetadata?: Record<string, string> | string }
  if (typeof own === 'string') return input
  const metadata = requestMetadataOf(scope, own)
  if (!metadata) return input
  const inBody = name === 'Converse' || name === 'ConverseStream'
  return { ...input, requestMetadata: inBody ? metadata : JSON.stringify(metadata) }
}

/** The body of the SDK's own, which an answer from a cache has lost, can be read as text. */
function withText(output: Result['output']): Result['output'] {
  const { body } = output as { readonly body?: unknown }
  if (body instanceof Uint8Array && !('transformToString' in body)) {
    const transformToString = (encoding: BufferEncoding = 'utf8') => Buffer.from(body).toString(encoding)
    Object.defineProperty(body, 'transformToString', { value: transformToString })
  }
  return output
}

const originals = new WeakMap<object, unknown>()

function toError(thrown: unknown): SluiceError {
  const error = toSluiceError(thrown)
  if (error !== thrown) originals.set(error, thrown)
  return error
}

function signalOf(context: Record<string, unknown>): AbortSignal | undefined {
  return (context.__smithy_context as { readonly abortSignal?: AbortSignal } | undefined)?.abortSignal
}

function headersOf(response: unknown): Headers {
  return (response as { readonly headers?: Headers } | undefined)?.headers ?? {}
}
