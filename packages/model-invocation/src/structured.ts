/** Answers that are values: asked for by a schema, validated, and repaired once. */

import type { ContentBlock, ConverseCommandInput, Message } from '@aws-sdk/client-bedrock-runtime'
import { addUsage, InvalidAnswerError, noUsage, type Usage } from '@sluice/core'
import type { BedrockModel } from './bedrock/model.ts'
import type { BedrockAnswer } from './bedrock/model-stream.ts'
import { type BedrockPrompt, converseInputOf } from './bedrock/prompt.ts'
import type { CallSettings } from './model.ts'
import { explain, type Misfit, misfitOf, type ReadySchema, readySchema, type ValueSchema } from './schema.ts'

export interface StructuredSettings extends CallSettings {
  /**
   * How the model is made to answer in the schema: by a tool that it must call, which most models can, or by
   * `outputConfig.textFormat`, with which Bedrock holds it to the schema while it writes. Use `format` with models that
   * reason: they refuse to be forced to a tool.
   *
   * @default 'tool'
   */
  readonly by?: 'tool' | 'format'
  /**
   * What the answer is called before the model: `[a-zA-Z0-9_-]`, at most 64 characters.
   *
   * @default 'answer'
   */
  readonly name?: string
  /** What the answer is, told to the model beside the schema. */
  readonly description?: string
  /**
   * Whether an answer that does not fit is shown to the model once more, with what is wrong with it.
   *
   * @default true
   */
  readonly repair?: boolean
}

export interface StructuredAnswer<Value> extends BedrockAnswer {
  /** As the schema's validator returned it. */
  readonly value: Value
  /** Model calls that it took: 1, or 2 after a repair. */
  readonly rounds: number
  /** Over all rounds. */
  readonly usage: Usage
}

/**
 * Asks for an answer in the form of a schema and resolves with the validated value. Each round is a call of its own for
 * every policy.
 *
 * @throws InvalidAnswerError when the answer does not fit, also not after one repair; TypeError when the schema cannot
 * be told to a model; and all that `model.invoke` throws
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation, structured } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 * import { z } from 'zod'
 *
 * const Ticket = z.object({ topic: z.enum(['card', 'loan', 'other']), urgent: z.boolean() })
 *
 * export const handler = middy<{ text: string }>()
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
 *   .handler(async ({ text }, { model }) => {
 *     const { value } = await structured(model, `File this ticket:\n\n${text}`, Ticket)
 *     return value.urgent ? 'call back' : value.topic
 *   })
 * ```
 */
export async function structured<Value>(
  model: Pick<BedrockModel, 'modelId' | 'invoke'>,
  prompt: BedrockPrompt,
  schema: ValueSchema<Value>,
  { by = 'tool', name = 'answer', description, repair = true, signal }: StructuredSettings = {},
): Promise<StructuredAnswer<Value>> {
  const ready = readySchema('structured', schema)
  const form = (by === 'tool' ? toolForm : textForm)({ name, description, ready })
  const input = converseInputOf(prompt)
  const messages = [...(input.messages ?? [])]
  let usage = noUsage
  for (let rounds = 1; ; rounds++) {
    const answer = await model.invoke({ ...input, ...form.ask(input), messages }, { signal })
    usage = addUsage(usage, answer.usage ?? noUsage)
    const ended = unfinished.has(answer.stopReason)
    // What was cut may fit the schema by chance.
    const read = ended ? misfitOf(answer.stopReason) : await form.read(answer)
    if (!read.issues) return { ...answer, usage, value: read.value, rounds }
    if (ended || !repair || rounds > 1) throw invalid(model.modelId, answer, read, { rounds, usage, ended })
    // A message without content would be refused; then the question is asked again as it was.
    if (answer.message.content?.length) messages.push(answer.message, form.complain(answer, read))
  }
}

/** One way to ask for a value. */
interface Form<Value> {
  ask(input: Partial<ConverseCommandInput>): Partial<ConverseCommandInput>
  read(answer: BedrockAnswer): ReturnType<ReadySchema<Value>['read']>
  /** The message that follows an answer which does not fit. */
  complain(answer: BedrockAnswer, misfit: Misfit): Message
}

interface Wish<Value> {
  readonly name: string
  readonly description: string | undefined
  readonly ready: ReadySchema<Value>
}

function toolForm<Value>({ name, description, ready }: Wish<Value>): Form<Value> {
  const toolSpec = {
    name,
    description: description ?? 'Takes the answer.',
    inputSchema: { json: ready.json as never },
  }
  return {
    ask: ({ toolConfig }) => ({
      toolConfig: { tools: [...(toolConfig?.tools ?? []), { toolSpec }], toolChoice: { tool: { name } } },
    }),
    read: ({ message }) => ready.read(usesOf(message).find((use) => use.name === name)?.input),
    complain({ message }, misfit) {
      const text = complaint(misfit, `Call ${name} again`)
      const results: ContentBlock[] = usesOf(message).map(({ toolUseId }) => ({
        toolResult: { toolUseId, status: 'error', content: [{ text }] },
      }))
      return { role: 'user', content: results.length > 0 ? results : [{ text }] }
    },
  }
}

function textForm<Value>({ name, description, ready }: Wish<Value>): Form<Value> {
  const jsonSchema = { name, schema: JSON.stringify(ready.json), ...(description && { description }) }
  return {
    ask: ({ outputConfig }) => ({
      outputConfig: { ...outputConfig, textFormat: { type: 'json_schema', structure: { jsonSchema } } },
    }),
    async read({ text }) {
      let given: unknown
      try {
        given = JSON.parse(text)
      } catch (error) {
        return misfitOf('not_json', error)
      }
      return ready.read(given)
    },
    complain: (_answer, misfit) => ({
      role: 'user',
      content: [{ text: complaint(misfit, 'Answer again, with nothing but the JSON') }],
    }),
  }
}

function complaint(misfit: Misfit, request: string): string {
  return `This does not fit the schema:\n${explain(misfit)}\n${request}, with everything as the schema wants it.`
}

function usesOf({ content }: Message) {
  return (content ?? []).flatMap(({ toolUse }) => (toolUse ? [toolUse] : []))
}

/** Why no answer can be expected to come, so that there is nothing to repair. */
const unfinished: ReadonlySet<string> = new Set([
  'max_tokens',
  'model_context_window_exceeded',
  'guardrail_intervened',
  'content_filtered',
])

const shownIssues = 5

function invalid(
  modelId: string,
  answer: BedrockAnswer,
  { issues, originals }: Misfit,
  { rounds, usage, ended }: { rounds: number; usage: Usage; ended: boolean },
): InvalidAnswerError {
  const { stopReason } = answer
  const list = issues
    .slice(0, shownIssues)
    .map(({ path, kind }) => (path === '' ? kind : `${path} (${kind})`))
  if (issues.length > shownIssues) list.push('...')
  const advice = stopReason === 'max_tokens' ? ' Allow more tokens.' : ''
  return new InvalidAnswerError(
    ended
      ? `The answer of ${modelId} is not whole: ${stopReason}.${advice}`
      : `The answer of ${modelId} does not fit the schema${rounds > 1 ? ', also after a repair' : ''}: ${list.join(', ')}.`,
    {
      issues,
      stopReason,
      usage,
      // The next answer may be a better one; what was cut or blocked will be again.
      retryable: !ended,
      original: { answer, issues: originals },
    },
  )
}
