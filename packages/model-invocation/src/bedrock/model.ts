/** Bedrock as a provider for `modelInvocation()`: any model that speaks Converse. */

import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  type ConverseCommandOutput,
  ConverseStreamCommand,
  type ConverseStreamCommandOutput,
  type ConverseStreamOutput,
  CountTokensCommand,
} from '@aws-sdk/client-bedrock-runtime'
import {
  callModel,
  insideAttempt,
  type ModelRequest,
  type Policy,
  type Scope,
  SluiceError,
  type Transport,
} from '@sluice/core'
import type { Substitute } from '../fallback-candidates.ts'
import type { CallSettings, InvokeSettings, Model, ModelProvider } from '../model.ts'
import { retry } from '../retry.ts'
import { prepareClient } from '../sdk/client.ts'
import { converse, converseStream } from './converse.ts'
import { toSluiceError } from './errors.ts'
import { baseModelOf } from './model-id.ts'
import { answerOf, type BedrockAnswer, modelStream } from './model-stream.ts'
import { type Operation, requestOf, sentOf, toModel } from './operation.ts'
import { type BedrockPrompt, type BedrockRequest, converseInputOf } from './prompt.ts'
import { requestMetadataOf } from './request-metadata.ts'

/** What holds for every call, in the words of Converse; a prompt may say otherwise. */
export interface BedrockSettings extends Omit<BedrockRequest, 'messages' | 'inferenceConfig'> {
  /** Output tokens at most. Unset, Bedrock reserves the maximum of the model from your quota for every call. */
  readonly maxTokens?: number
  /** 0 to 1; the default is the model's. */
  readonly temperature?: number
  /** 0 to 1; the default is the model's. */
  readonly topP?: number
  readonly stopSequences?: readonly string[]
  /** The client to call with. Default: one of the environment's Region and credentials. */
  readonly client?: BedrockRuntimeClient
}

/** A Bedrock model bound to an invocation. */
export interface BedrockModel extends Model<BedrockPrompt, ConverseStreamOutput, BedrockAnswer> {
  /**
   * How many tokens a prompt has, as Bedrock would bill it. Free of charge, outside of the policies, and not offered for
   * every model.
   *
   * @throws ModelError, ModelThrottledError, TransportError, `AbortError`
   */
  countTokens(prompt: BedrockPrompt, settings?: CallSettings): Promise<number>
}

/** What `bedrock()` makes: for `modelInvocation()`, and for `fallback()` as a candidate with settings of its own. */
export interface BedrockProvider extends ModelProvider<BedrockModel>, Substitute {
  readonly modelId: string
}

/**
 * A Bedrock model by the id of the model, of an inference profile or an ARN.
 *
 * @throws TypeError when the id or a setting cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * export const handler = middy<{ text: string }>()
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
 *   .handler(async ({ text }, { model }) => {
 *     const answer = await model.invoke(`Summarise in one sentence: ${text}`)
 *     return answer.text
 *   })
 * ```
 */
export function bedrock(
  modelId: string,
  { maxTokens, temperature, topP, stopSequences, client, ...settings }: BedrockSettings = {},
): BedrockProvider {
  if (typeof modelId !== 'string' || modelId.trim() === '') {
    throw new TypeError(
      `bedrock: the model id is ${JSON.stringify(modelId)}. Give an id such as "eu.amazon.nova-lite-v1:0".`,
    )
  }
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens > 0)) {
    throw new TypeError(`bedrock: maxTokens is ${String(maxTokens)}. Give a whole number of tokens above 0.`)
  }
  for (const [option, value] of Object.entries({ temperature, topP })) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= 1)) {
      throw new TypeError(`bedrock: ${option} is ${String(value)}. Give a number from 0 to 1.`)
    }
  }
  const inferenceConfig = defined({
    maxTokens,
    temperature,
    topP,
    stopSequences: stopSequences && [...stopSequences],
  })
  const base = converseInputOf(settings)
  // Nobody else can change the middleware of this client, so it needs to be put together only once.
  const ownClient = client ?? new BedrockRuntimeClient({ cacheMiddleware: true })
  prepareClient(ownClient)
  const defaults: readonly Policy[] = [retry()]

  function inputOf(prompt: BedrockPrompt, scope: Scope): ConverseCommandInput {
    const own = converseInputOf(prompt)
    return {
      ...base,
      ...own,
      modelId,
      // A prompt of Prompt management refuses even an empty one.
      inferenceConfig: orNone({ ...inferenceConfig, ...own.inferenceConfig }),
      requestMetadata: requestMetadataOf(scope, { ...base.requestMetadata, ...own.requestMetadata }),
    }
  }

  function transportOf(operation: Operation): Transport {
    return {
      async send({ payload }, { scope, attempt }) {
        const input = payload as ConverseCommandInput
        const command = operation === converse ? new ConverseCommand(input) : new ConverseStreamCommand(input)
        const output: object = await insideAttempt(scope, attempt, () =>
          ownClient.send(command as ConverseCommand),
        )
        return sentOf(operation, output, {})
      },
      toError: toSluiceError,
      withModel: toModel(operation),
      withMaxTokens: operation.withMaxTokens,
    }
  }
  const [whole, streamed] = [transportOf(converse), transportOf(converseStream)]

  function owns({ transport }: ModelRequest): boolean {
    return transport === whole || transport === streamed
  }

  function adopt(request: ModelRequest): ModelRequest {
    const operation = [converse, converseStream].find(({ name }) => name === request.operation)
    if (!operation) {
      throw new SluiceError(
        `bedrock() speaks Converse and cannot take over ${request.operation}. Name the model by its id: "${modelId}".`,
        { code: 'invalid_request', statusCode: 400 },
      )
    }
    const { inferenceConfig: asked, requestMetadata, ...input } = request.payload as ConverseCommandInput
    // In the words of one model only; another one would refuse them.
    for (const field of modelFields) delete input[field]
    const adopted = {
      ...input,
      ...base,
      modelId,
      inferenceConfig: orNone({ ...asked, ...inferenceConfig }),
      requestMetadata: requestMetadata && { ...requestMetadata, ...base.requestMetadata },
    }
    return requestOf(operation, adopted, operation === converse ? whole : streamed)
  }

  function bind(scope: Scope): BedrockModel {
    function call(operation: Operation, prompt: BedrockPrompt, { signal, partial }: InvokeSettings = {}) {
      const request = requestOf(operation, inputOf(prompt, scope), operation === converse ? whole : streamed)
      return callModel(scope, partial ? { ...request, acceptsPartial: true } : request, { signal, defaults })
    }

    async function stream(prompt: BedrockPrompt, settings?: InvokeSettings) {
      const response = await call(converseStream, prompt, settings)
      return modelStream(response.events as NonNullable<ConverseStreamCommandOutput['stream']>)
    }

    return {
      modelId,
      scope,
      async invoke(prompt, settings) {
        if (settings?.partial) return (await stream(prompt, settings)).answer({ partial: true })
        const response = await call(converse, prompt, settings)
        return answerOf(response.output as ConverseCommandOutput)
      },
      stream,
      async countTokens(prompt, { signal = scope.signal } = {}) {
        // It counts for models, and knows no inference profiles. What has no tokens is not sent by the SDK.
        const input = { modelId: baseModelOf(modelId), input: { converse: inputOf(prompt, scope) } }
        try {
          const { inputTokens } = await ownClient.send(new CountTokensCommand(input), { abortSignal: signal })
          return inputTokens ?? 0
        } catch (error) {
          throw toSluiceError(error)
        }
      },
    }
  }

  return { modelId, bind, owns, adopt }
}

const modelFields = [
  'additionalModelRequestFields',
  'additionalModelResponseFieldPaths',
  'promptVariables',
] as const

function defined<Value extends object>(values: Value): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

function orNone<Value extends object>(values: Value): Value | undefined {
  return Object.keys(values).length > 0 ? values : undefined
}
