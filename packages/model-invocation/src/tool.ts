/** Something that the model may do. */

import type { ToolResultBlock, ToolUseBlock } from '@aws-sdk/client-bedrock-runtime'
import { abortError } from '@sluice/core'
import { explain, readySchema, type ValueSchema } from './schema.ts'

/** Made by `tool()`. */
export interface Tool<Input = unknown> {
  /** `[a-zA-Z0-9_-]`, at most 64 characters. */
  readonly name: string
  /** What it does and when to use it, told to the model. */
  readonly description?: string
  /** Of the input; what does not fit is answered with what is wrong, and `run` is not called. */
  readonly input: ValueSchema<Input>
  /**
   * Does it. What it returns is told to the model: a text as it is, anything else as JSON. The signal aborts when a
   * limit, the caller or another tool ends the loop.
   */
  run(input: Input, context: { readonly signal: AbortSignal }): unknown
}

/**
 * Checks a tool, and types its input by the schema.
 *
 * @throws TypeError when name or schema cannot be right
 */
export function tool<Input>(definition: Tool<Input>): Tool<Input> {
  const { name, input } = definition
  if (!/^[\w-]{1,64}$/.test(name)) {
    throw new TypeError(
      `tool: the name is ${JSON.stringify(name)}. Use letters, digits, _ and -, at most 64 of them.`,
    )
  }
  readySchema(`tool "${name}"`, input)
  return definition
}

interface Running {
  readonly tools: readonly Tool[]
  readonly onToolError: (error: unknown, toolName: string) => string
  readonly signal: AbortSignal
}

/** @internal What one call of a tool comes to, in the words of Converse. */
export async function toolResultOf(
  { toolUseId, name = '', input }: ToolUseBlock,
  { tools, onToolError, signal }: Running,
): Promise<ToolResultBlock> {
  const failed = (text: string): ToolResultBlock => ({
    toolUseId,
    status: 'error',
    content: [{ text: text.trim() || 'It failed.' }],
  })
  const found = tools.find((tool) => tool.name === name)
  if (!found) {
    return failed(`There is no tool ${name}. Use one of: ${tools.map(({ name }) => name).join(', ')}.`)
  }
  const read = await readySchema(name, found.input).read(input)
  if (read.issues) return failed(`The input does not fit the schema:\n${explain(read)}`)
  try {
    const output = await untilAborted(signal, async () => found.run(read.value, { signal }))
    const text = typeof output === 'string' ? output : JSON.stringify(output)
    return { toolUseId, status: 'success', content: [{ text: text?.trim() ? text : 'Done.' }] }
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    return failed(onToolError(error, name))
  }
}

/** A tool that does not listen to its signal must not hold the loop. */
function untilAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError(signal))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}
