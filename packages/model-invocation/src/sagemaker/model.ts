/** Endpoints of SageMaker as a provider for `modelInvocation()`. */

import {
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  type InvokeEndpointCommandOutput,
  InvokeEndpointWithResponseStreamCommand,
  type InvokeEndpointWithResponseStreamCommandOutput,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import {
  callModel,
  insideAttempt,
  type ModelRequest,
  type Policy,
  type Scope,
  type Sent,
  SluiceError,
  type Transport,
} from '@sluice/core'
import type { Substitute } from '../fallback-candidates.ts'
import type { InvokeSettings, Model, ModelAnswer, ModelProvider } from '../model.ts'
import { retry } from '../retry.ts'
import { prepareClient } from '../sdk/client.ts'
import { streamOf } from '../stream-of.ts'
import {
  type AdapterAnswer,
  type AnswerPart,
  type GenerationSettings,
  type SageMakerAdapter,
  type StreamAdapter,
  unreadable,
} from './adapter.ts'
import { type ChatMessage, type ChatPrompt, chat } from './chat.ts'
import { toSluiceError } from './errors.ts'
import {
  type EndpointInput,
  inputFor,
  modelIdOf,
  type OperationName,
  requestOf,
  sentStream,
  sentWhole,
} from './operation.ts'
import { partsOf } from './parts.ts'
import { checkSettings, inputOf } from './settings.ts'
import { notePart } from './stream-watcher.ts'

/** What holds for every call of an endpoint. */
export interface SageMakerSettings<Prompt = ChatPrompt, Message = ChatMessage> extends GenerationSettings {
  /**
   * The language of the container.
   *
   * @default chat()
   */
  readonly adapter?: SageMakerAdapter<Prompt, Message>
  /** Of an endpoint with several: which is asked. */
  readonly inferenceComponent?: string
  /** Of an endpoint with several: which is asked. Default: by their weights. */
  readonly targetVariant?: string
  /** Of an endpoint with many models: the archive of the one that is asked. Such an endpoint does not stream. */
  readonly targetModel?: string
  /** Of an endpoint with several containers: the host name of the one that is asked. */
  readonly targetContainer?: string
  /** Passed on to the container as it is: at most 1,024 visible characters of ASCII. */
  readonly customAttributes?: string
  /** The client to call with. Default: one of the environment's Region and credentials. */
  readonly client?: SageMakerRuntimeClient
}

/** An answer of an endpoint, whole or collected from a stream. */
export interface SageMakerAnswer<Message = ChatMessage> extends ModelAnswer<Message> {
  /** The variant that answered, as SageMaker tells it; undefined for streams. */
  readonly variant: string | undefined
}

/** An endpoint bound to an invocation. */
export type SageMakerModel<Prompt = ChatPrompt, Message = ChatMessage> = Model<
  Prompt,
  AnswerPart,
  SageMakerAnswer<Message>
>

/** What `sagemaker()` makes: for `modelInvocation()`, and for `fallback()` as a candidate with a client of its own. */
export interface SageMakerProvider<Prompt = ChatPrompt, Message = ChatMessage>
  extends ModelProvider<SageMakerModel<Prompt, Message>>,
    Substitute {
  readonly modelId: string
}

/**
 * A real-time endpoint by its name.
 *
 * @throws TypeError when the name or a setting cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { sagemaker } from '@sluice/model-invocation/sagemaker'
 *
 * export const handler = middy<{ text: string }>()
 *   .use(modelInvocation({ model: sagemaker('llama-3-8b', { maxTokens: 300 }) }))
 *   .handler(async ({ text }, { model }) => {
 *     const answer = await model.invoke(`Summarise in one sentence: ${text}`)
 *     return answer.text
 *   })
 * ```
 */
export function sagemaker<Prompt = ChatPrompt, Message = ChatMessage>(
  endpointName: string,
  settings: SageMakerSettings<Prompt, Message> = {},
): SageMakerProvider<Prompt, Message> {
  checkSettings(endpointName, settings)
  // Without an adapter, the prompt and the message are those of the default one: their types' defaults.
  const { adapter = chat() as unknown as SageMakerAdapter<Prompt, Message>, client, ...others } = settings
  const base = inputOf(endpointName, others)
  const modelId = modelIdOf(base)
  const ownClient = client ?? new SageMakerRuntimeClient({ cacheMiddleware: true })
  prepareClient(ownClient)
  const defaults: readonly Policy[] = [retry()]
  /** Read once, for the usage; kept for who asked. */
  const answers = new WeakMap<object, AdapterAnswer<Message>>()

  function transportOf<Output extends object>(
    operation: OperationName,
    sentOf: (output: Output, modelId: string) => Sent,
  ): Transport {
    return {
      async send({ payload, modelId }, { scope, attempt }) {
        const input = payload as InvokeEndpointCommandInput
        const command =
          operation === 'InvokeEndpoint'
            ? new InvokeEndpointCommand(input)
            : new InvokeEndpointWithResponseStreamCommand(input)
        const output: object = await insideAttempt(scope, attempt, () =>
          ownClient.send(command as InvokeEndpointCommand),
        )
        return sentOf(output as Output, modelId)
      },
      toError: toSluiceError,
      withModel: ({ payload, transport }, modelId) =>
        requestOf(operation, inputFor(payload as EndpointInput, modelId), transport),
    }
  }
  const { withMaxTokens: limited } = adapter
  const withMaxTokens: Transport['withMaxTokens'] =
    limited &&
    ((request, maxTokens) => {
      const input = request.payload as EndpointInput
      const Body = Buffer.from(limited(Buffer.from(input.Body as Uint8Array).toString(), maxTokens))
      return { ...request, maxTokens, payload: { ...input, Body } }
    })
  const adapted: Transports = {
    InvokeEndpoint: {
      ...transportOf('InvokeEndpoint', (output: InvokeEndpointCommandOutput, modelId) => {
        const { usage, stopReason } = read(output, modelId)
        return { output, usage, stopReason, outputBytes: output.Body?.byteLength }
      }),
      withMaxTokens,
    },
    InvokeEndpointWithResponseStream: {
      ...transportOf(
        'InvokeEndpointWithResponseStream',
        (output: InvokeEndpointWithResponseStreamCommandOutput, modelId) => ({
          output,
          events: partsOf(output.Body, streaming(), modelId),
          read: (part, seen) => notePart(part as AnswerPart, seen),
        }),
      ),
      withMaxTokens,
    },
  }
  /** For the requests of guarded clients, whose users want what the SDK gives. */
  const plain: Transports = {
    InvokeEndpoint: transportOf('InvokeEndpoint', sentWhole),
    InvokeEndpointWithResponseStream: transportOf('InvokeEndpointWithResponseStream', sentStream),
  }
  for (const transport of Object.values(adapted)) adaptedTransports.add(transport)

  function read(output: InvokeEndpointCommandOutput, modelId: string): AdapterAnswer<Message> {
    const known = answers.get(output)
    if (known) return known
    let answer: AdapterAnswer<Message>
    try {
      answer = adapter.read(Buffer.from(output.Body ?? []).toString('utf8'))
    } catch (error) {
      throw SluiceError.is(error) ? error : unreadable(modelId)
    }
    answers.set(output, answer)
    return answer
  }

  function streaming(): StreamAdapter<Message> {
    if (adapter.stream && settings.targetModel === undefined) return adapter.stream
    throw new SluiceError(
      adapter.stream
        ? 'An endpoint with many models does not stream. Use invoke().'
        : 'The adapter of this endpoint cannot stream. Use invoke(), or give an adapter that can.',
      { code: 'invalid_request', statusCode: 400 },
    )
  }

  function owns({ transport }: ModelRequest): boolean {
    return [adapted, plain].some((transports) => Object.values(transports).includes(transport))
  }

  function adopt({ operation, payload, provider, transport }: ModelRequest): ModelRequest {
    if (provider !== 'sagemaker') {
      throw new SluiceError(`sagemaker() cannot take over ${operation} of ${provider}.`, {
        code: 'invalid_request',
        statusCode: 400,
      })
    }
    const { Body, ContentType, Accept } = payload as EndpointInput
    const name = operation as OperationName
    if (name === 'InvokeEndpointWithResponseStream') streaming()
    const transports = adaptedTransports.has(transport) ? adapted : plain
    return requestOf(name, { ...base, Body, ContentType, Accept } as EndpointInput, transports[name])
  }

  function bind(scope: Scope): SageMakerModel<Prompt, Message> {
    function call(operation: OperationName, prompt: Prompt, { signal, partial }: InvokeSettings = {}) {
      const isStream = operation === 'InvokeEndpointWithResponseStream'
      const input = {
        ...base,
        ContentType: adapter.contentType,
        Accept: adapter.accept,
        Body: Buffer.from(adapter.write(prompt, others, isStream)),
      }
      const request = requestOf(operation, input, adapted[operation])
      return callModel(scope, partial ? { ...request, acceptsPartial: true } : request, { signal, defaults })
    }

    async function stream(prompt: Prompt, settings?: InvokeSettings) {
      const { collect } = streaming()
      const { events } = await call('InvokeEndpointWithResponseStream', prompt, settings)
      const parts: AnswerPart[] = []
      return streamOf(events as AsyncIterable<AnswerPart>, {
        add: (part) => void parts.push(part),
        textOf: ({ text }) => text,
        answer: () => answerOf({ ...told(parts), message: collect(parts) }, undefined),
        isEmpty: () => parts.every(({ text, delta }) => text === undefined && delta === undefined),
      })
    }

    return {
      modelId,
      scope,
      async invoke(prompt, settings) {
        if (settings?.partial) return (await stream(prompt, settings)).answer({ partial: true })
        const { output } = await call('InvokeEndpoint', prompt, settings)
        const { InvokedProductionVariant: variant } = output as InvokeEndpointCommandOutput
        return answerOf(read(output as InvokeEndpointCommandOutput, modelId), variant)
      },
      stream,
    }
  }

  return { modelId, bind, owns, adopt }
}

type Transports = Readonly<Record<OperationName, Transport>>

/** Those whose events are parts of answers: a provider that stands in for another one has to give the same. */
const adaptedTransports = new WeakSet<Transport>()

function answerOf<Message>(
  { message, text, stopReason = '', usage }: AdapterAnswer<Message>,
  variant: string | undefined,
): SageMakerAnswer<Message> {
  return { text, message, stopReason, intervened: false, usage, variant }
}

/** What the parts of a stream amount to. */
function told(parts: readonly AnswerPart[]): Omit<AdapterAnswer<unknown>, 'message'> {
  return {
    text: parts.map(({ text = '' }) => text).join(''),
    stopReason: parts.findLast(({ stopReason }) => stopReason !== undefined)?.stopReason,
    usage: parts.findLast(({ usage }) => usage !== undefined)?.usage,
  }
}
