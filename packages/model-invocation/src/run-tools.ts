/** A loop of model and tools, within limits. */

import type {
  ContentBlock,
  ConverseCommandInput,
  Message,
  ToolUseBlock,
} from '@aws-sdk/client-bedrock-runtime'
import { abortError, addUsage, noUsage, promptTokens, ToolLimitError, type Usage } from '@sluice/core'
import type { BedrockModel } from './bedrock/model.ts'
import type { BedrockAnswer } from './bedrock/model-stream.ts'
import { type BedrockPrompt, converseInputOf } from './bedrock/prompt.ts'
import type { CallSettings } from './model.ts'
import { readySchema } from './schema.ts'
import { type Tool, toolResultOf } from './tool.ts'

export interface RunToolsOptions extends CallSettings {
  /** What the model may use. Tools that it asks for at once run at once. */
  readonly tools: readonly Tool[]
  /**
   * Model calls at most.
   *
   * @default 5
   */
  readonly maxRounds?: number
  /** Ends the loop, the running call and the running tools after so many milliseconds. Default: with the invocation. */
  readonly maxDurationMs?: number
  /** No further round once prompts and answers have come to so many tokens. Default: no limit. */
  readonly maxTokens?: number
  /** No further round once the rounds have cost so many US dollars by `costUsd`. Default: no limit. */
  readonly maxCostUsd?: number
  /** The price of one round. */
  readonly costUsd?: (usage: Usage, modelId: string) => number
  /**
   * What the model is told when a tool throws. Throw in it to end the loop.
   *
   * @default the message of the error
   */
  readonly onToolError?: (error: unknown, toolName: string) => string
}

export interface ToolsAnswer extends BedrockAnswer {
  /** Model calls that it took. */
  readonly rounds: number
  /** Over all rounds. */
  readonly usage: Usage
  /** The whole conversation, this answer included. */
  readonly messages: readonly Message[]
}

/**
 * Asks, runs the tools that the model wants, tells it what they gave, and so on until it answers. Each round is a call
 * of its own for every policy. The last answer is returned whatever it stopped for, so look at `stopReason`.
 *
 * @throws ToolLimitError when a limit is reached before the model has finished; what `onToolError` throws; and all that
 * `model.invoke` throws
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation, runTools, tool } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 * import { z } from 'zod'
 *
 * const parcel = tool({
 *   name: 'parcel',
 *   description: 'Where a parcel is, by its number',
 *   input: z.object({ number: z.string() }),
 *   run: async ({ number }, { signal }) => {
 *     const response = await fetch(`https://parcels.example.com/${number}`, { signal })
 *     return response.json()
 *   },
 * })
 *
 * export const handler = middy<{ text: string }>()
 *   .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
 *   .handler(async ({ text }, { model }) => {
 *     const answer = await runTools(model, text, { tools: [parcel], maxRounds: 3, maxDurationMs: 20_000 })
 *     return answer.text
 *   })
 * ```
 */
export async function runTools(
  model: Pick<BedrockModel, 'modelId' | 'scope' | 'invoke'>,
  prompt: BedrockPrompt,
  options: RunToolsOptions,
): Promise<ToolsAnswer> {
  const { maxRounds = 5, maxDurationMs, maxTokens = Infinity, maxCostUsd = Infinity } = options
  const { tools, costUsd = () => 0, onToolError = messageOf } = options
  checkOptions(options)
  const { clock, signal: scopeSignal } = model.scope
  const ending = new AbortController()
  const signal = AbortSignal.any([scopeSignal, ending.signal, ...(options.signal ? [options.signal] : [])])
  const cancel =
    maxDurationMs === undefined
      ? () => {}
      : clock.after(maxDurationMs, () => ending.abort(limit('duration', `${maxDurationMs} ms`)))

  let rounds = 0
  let usage = noUsage
  let cost = 0
  let stopReason = ''

  function limit(kind: ToolLimitError['limit'], value: string): ToolLimitError {
    return new ToolLimitError(
      `The loop of ${model.modelId} and its tools reached its limit of ${value} before the model had finished.`,
      { limit: kind, rounds, stopReason, usage },
    )
  }

  const input = converseInputOf(prompt)
  const messages = [...(input.messages ?? [])]
  try {
    for (;;) {
      if (signal.aborted) throw abortError(signal)
      const toolConfig = toolConfigOf(tools, input.toolConfig, rounds)
      const answer = await model.invoke({ ...input, messages: [...messages], toolConfig }, { signal })
      const told = answer.usage ?? noUsage
      rounds++
      usage = addUsage(usage, told)
      cost += costUsd(told, model.modelId)
      stopReason = answer.stopReason
      messages.push(answer.message)
      const uses = stopReason === 'tool_use' ? usesOf(answer.message) : []
      if (uses.length === 0) return { ...answer, usage, rounds, messages }
      if (rounds >= maxRounds) throw limit('rounds', `${maxRounds} rounds`)
      if (promptTokens(usage) + usage.outputTokens >= maxTokens) throw limit('tokens', `${maxTokens} tokens`)
      if (cost >= maxCostUsd) throw limit('cost', `${maxCostUsd} USD`)
      const results = uses.map((use) => toolResultOf(use, { tools, onToolError, signal }))
      const content: ContentBlock[] = (await Promise.all(results)).map((toolResult) => ({ toolResult }))
      messages.push({ role: 'user', content })
    }
  } finally {
    cancel()
    // Where one tool ended the loop, the others need not go on.
    ending.abort()
  }
}

function toolConfigOf(
  tools: readonly Tool[],
  own: ConverseCommandInput['toolConfig'],
  round: number,
): ConverseCommandInput['toolConfig'] {
  return {
    tools: [
      ...tools.map(({ name, description, input }) => ({
        toolSpec: {
          name,
          ...(description && { description }),
          inputSchema: { json: readySchema(`tool "${name}"`, input).json as never },
        },
      })),
      ...(own?.tools ?? []),
    ],
    // Forced to a tool in every round, no model would ever finish.
    ...(round === 0 && own?.toolChoice && { toolChoice: own.toolChoice }),
  }
}

/** Those that are ours to run; some are run by the service. */
function usesOf({ content }: Message): ToolUseBlock[] {
  return (content ?? []).flatMap(({ toolUse }) => (toolUse && toolUse.type === undefined ? [toolUse] : []))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function checkOptions({ tools, maxCostUsd, costUsd, ...limits }: RunToolsOptions): void {
  if (!Array.isArray(tools) || tools.length === 0) throw new TypeError('runTools: give at least one tool.')
  const twice = tools.find(({ name }, index) => tools.findIndex((other) => other.name === name) !== index)
  if (twice) throw new TypeError(`runTools: two tools are named "${twice.name}". Give one another name.`)
  if ((maxCostUsd === undefined) !== (costUsd === undefined)) {
    throw new TypeError('runTools: maxCostUsd and costUsd belong together. Give both, or none.')
  }
  for (const option of ['maxRounds', 'maxDurationMs', 'maxTokens'] as const) {
    const value = limits[option]
    if (value !== undefined && !(value >= 1)) {
      throw new TypeError(`runTools: ${option} is ${String(value)}. Give a number of at least 1.`)
    }
  }
  if (maxCostUsd !== undefined && !(maxCostUsd > 0)) {
    throw new TypeError(`runTools: maxCostUsd is ${String(maxCostUsd)}. Give an amount above 0.`)
  }
}
