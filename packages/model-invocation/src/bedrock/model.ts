/** Bedrock as a provider for `modelInvocation()`: any model that speaks Converse. */

import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  type ConverseCommandOutput,
  ConverseStreamCommand,
  type ConverseStreamCommandOutput,
  type ConverseStreamOutput,
  type Message,
} from '@aws-sdk/client-bedrock-runtime'
import {
  type AttemptContext,
  callModel,
  insideAttempt,
  type ModelRequest,
  type Policy,
  type Scope,
  SluiceError,
} from '@sluice/core'
import type { CallSettings, Model, ModelProvider } from '../model.ts'
import { retry } from '../retry.ts'
import { prepareClient } from './client.ts'
import { converse, converseStream, toUsage } from './converse.ts'
import { toSluiceError } from './errors.ts'
import { answerOf, modelStream } from './model-stream.ts'
import { type Operation, requestOf, sentOf } from './operation.ts'

/** What holds for every call, in the words of Converse; a prompt may say otherwise. */
export interface BedrockSettings
  extends Omit<ConverseCommandInput, 'modelId' | 'messages' | 'inferenceConfig' | 'system'> {
  /** Output tokens at most. Unset, Bedrock reserves the maximum of the model from your quota for every call. */
  readonly maxTokens?: number
  /** 0 to 1; the default is the model's. */
  readonly temperature?: number
  /** 0 to 1; the default is the model's. */
  readonly topP?: number
  readonly stopSequences?: readonly string[]
  /** The system prompt. */
  readonly system?: string | NonNullable<ConverseCommandInput['system']>
  /** The client to call with. Default: one of the environment's Region and credentials. */
  readonly client?: BedrockRuntimeClient
}

/** A text, or any part of a Converse request. */
export type BedrockPrompt =
  | string
  | (Omit<Partial<ConverseCommandInput>, 'modelId'> & Pick<ConverseCommandInput, 'messages'>)

export type BedrockModel = Model<BedrockPrompt, ConverseStreamOutput, Message>

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
  { maxTokens, temperature, topP, stopSequences, system, client, ...rest }: BedrockSettings = {},
): ModelProvider<BedrockPrompt, ConverseStreamOutput, Message> {
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
  const base = {
    ...rest,
    ...(system !== undefined && { system: typeof system === 'string' ? [{ text: system }] : system }),
  }
  // Nobody else can change the middleware of this client, so it needs to be put together only once.
  const ownClient = client ?? new BedrockRuntimeClient({ cacheMiddleware: true })
  prepareClient(ownClient)
  const defaults: readonly Policy[] = [retry()]

  function inputOf(prompt: BedrockPrompt): ConverseCommandInput {
    const own =
      typeof prompt === 'string'
        ? { messages: [{ role: 'user' as const, content: [{ text: prompt }] }] }
        : prompt
    if (typeof own !== 'object' || own === null) {
      throw new SluiceError(
        `The prompt is ${own === null ? 'null' : `of type ${typeof own}`}. Give a text, or a request of Converse such as { messages }.`,
        { code: 'invalid_request', statusCode: 400 },
      )
    }
    return { ...base, ...own, modelId, inferenceConfig: { ...inferenceConfig, ...own.inferenceConfig } }
  }

  function bind(scope: Scope): BedrockModel {
    function call(operation: Operation, prompt: BedrockPrompt, { signal }: CallSettings) {
      const request = requestOf(operation, inputOf(prompt), {
        async send(request: ModelRequest, { attempt }: AttemptContext) {
          const input = request.payload as ConverseCommandInput
          const command =
            operation === converse ? new ConverseCommand(input) : new ConverseStreamCommand(input)
          const output: object = await insideAttempt(scope, attempt, () =>
            ownClient.send(command as ConverseCommand),
          )
          return sentOf(operation, output, {})
        },
        toError: toSluiceError,
      })
      return callModel(scope, request, { signal, defaults })
    }

    return {
      modelId,
      async invoke(prompt, settings = {}) {
        const response = await call(converse, prompt, settings)
        const { output, stopReason, usage } = response.output as ConverseCommandOutput
        const message = output?.message ?? { role: 'assistant', content: [] }
        return answerOf(message, stopReason ?? '', usage && toUsage(usage))
      },
      async stream(prompt, settings = {}) {
        const response = await call(converseStream, prompt, settings)
        return modelStream(response.events as NonNullable<ConverseStreamCommandOutput['stream']>)
      },
    }
  }

  return { modelId, bind }
}

function defined<Value extends object>(values: Value): { [Key in keyof Value]?: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}
