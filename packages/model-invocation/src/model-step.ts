/** A pipeline step that is only configuration. */

import {
  InvalidAnswerError,
  noUsage,
  runInInvocation,
  type Scope,
  type Source,
  type SourceHandlerOptions,
  sourceHandler,
} from '@sluice/core'
import type { Context } from 'aws-lambda'
import type { BedrockModel } from './bedrock/model.ts'
import type { BedrockAnswer } from './bedrock/model-stream.ts'
import type { BedrockPrompt } from './bedrock/prompt.ts'
import type { ModelAnswer, ModelProvider } from './model.ts'
import { readySchema, type ValueSchema } from './schema.ts'
import { type StructuredSettings, structured } from './structured.ts'

export interface ModelStepOptions<Item, Value, Result> extends SourceHandlerOptions {
  /** Which model, made by a provider such as `bedrock()`. */
  readonly model: ModelProvider<Pick<BedrockModel, 'modelId' | 'invoke'>>
  /** What the model is asked about one record. When it throws, this record has failed. */
  readonly prompt: (record: Item) => BedrockPrompt | Promise<BedrockPrompt>
  /**
   * What the answer must be: a schema that tells its JSON Schema (zod, arktype), or `{ schema, jsonSchema }`.
   *
   * @default the text of the answer
   */
  readonly schema?: ValueSchema<Value>
  /** How the schema is put to the model. */
  readonly structured?: Omit<StructuredSettings, 'signal'>
  /**
   * What becomes of a value: stored, sent, changed. The record is done when it has resolved, and has failed when it
   * rejects.
   *
   * @default the value is the result of the record
   */
  readonly deliver?: (value: Value, record: Item, answer: BedrockAnswer) => Result | Promise<Result>
}

/** A handler: for Middy, or for Lambda as it is. */
export type Step<Event, Response> = (
  event: Event,
  context: Context,
  options?: { readonly signal?: AbortSignal },
) => Promise<Response>

/**
 * A handler made of configuration: for each record of its source it asks the model and delivers the answer. A record
 * succeeds or fails alone. Without a source the event is the record and the result is the response; a failure is thrown.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelStep, retry } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 * import { z } from 'zod'
 *
 * export const handler = middy(
 *   modelStep({
 *     model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
 *     prompt: ({ text }: { readonly text: string }) => `File this ticket:\n\n${text}`,
 *     schema: z.object({ topic: z.enum(['card', 'loan', 'other']), urgent: z.boolean() }),
 *   }),
 * ).use(retry())
 * ```
 */
export function modelStep<Event, Item, Response, Value = string, Result = Value>(
  options: ModelStepOptions<Item, Value, Result> & {
    readonly source: Source<Event, Item, Response>
  },
): Step<Event, Response>
export function modelStep<Event, Value = string, Result = Value>(
  options: ModelStepOptions<Event, Value, Result> & { readonly source?: undefined },
): Step<Event, Result>
export function modelStep<Item, Value, Result>({
  model,
  source,
  prompt,
  schema,
  structured: settings,
  deliver = (value) => value as unknown as Result,
  ...handling
}: ModelStepOptions<Item, Value, Result> & {
  readonly source?: Source<unknown, Item, unknown> | undefined
}): Step<unknown, unknown> {
  checkOptions({ model, source, prompt, deliver })
  if (schema) readySchema('modelStep', schema)

  async function work(scope: Scope, record: Item, signal: AbortSignal | undefined): Promise<Result> {
    const bound = model.bind(scope)
    const question = await prompt(record)
    if (!schema) {
      const answer = await bound.invoke(question, { signal })
      if (answer.intervened) throw intervened(bound.modelId, answer)
      return deliver(answer.text as Value, record, answer)
    }
    const answer = await structured(bound, question, schema, { ...settings, signal })
    return deliver(answer.value, record, answer)
  }

  if (!source) {
    return (event, context, { signal } = {}) =>
      runInInvocation(context ?? {}, (scope) => work(scope, event as Item, signal))
  }
  return sourceHandler(source, (record, { scope, signal }) => work(scope, record, signal), handling)
}

/** What a guardrail says in place of the model is no answer to the prompt. */
function intervened(modelId: string, answer: ModelAnswer): InvalidAnswerError {
  const { stopReason, usage = noUsage } = answer
  return new InvalidAnswerError(`The answer of ${modelId} is none: a guardrail intervened.`, {
    issues: [],
    stopReason,
    usage,
    retryable: false,
    original: { answer, issues: [] },
  })
}

function checkOptions(options: {
  model: ModelProvider<object>
  source: object | undefined
  prompt: unknown
  deliver: unknown
}): void {
  const { model, source, prompt, deliver } = options
  if (typeof model?.bind !== 'function') {
    throw new TypeError(
      'modelStep: model is no provider. Give one such as bedrock("eu.amazon.nova-lite-v1:0").',
    )
  }
  const { records, respond } = (source ?? {}) as Partial<Source<unknown, unknown, unknown>>
  if (source && (typeof records !== 'function' || typeof respond !== 'function')) {
    throw new TypeError('modelStep: source is none. Give one such as sqsBatch().')
  }
  for (const [option, value] of Object.entries({ prompt, deliver })) {
    if (typeof value !== 'function') {
      throw new TypeError(`modelStep: ${option} is of type ${typeof value}. Give a function of the record.`)
    }
  }
}
