/** A ConverseStream as pieces of text and as the whole message. */

import type {
  Citation,
  ContentBlock,
  ConverseResponse,
  ConverseStreamOutput,
  Message,
  ToolUseBlockStart,
} from '@aws-sdk/client-bedrock-runtime'
import type { ModelAnswer, ModelStream } from '../model.ts'
import { type StreamReader, streamOf } from '../stream-of.ts'
import { toUsage } from './converse.ts'

/** An answer of Bedrock, whole or collected from a stream. */
export interface BedrockAnswer extends ModelAnswer<Message> {
  /** What Bedrock said, as the SDK has it: `trace`, `serviceTier` that served, `additionalModelResponseFields`, `metrics`. */
  readonly output: ConverseResponse
}

/** Events and answer of one stream, over a single pass through it. */
export function modelStream(
  events: AsyncIterable<ConverseStreamOutput>,
): ModelStream<ConverseStreamOutput, BedrockAnswer> {
  return streamOf(events, {
    ...collector(),
    textOf: ({ contentBlockDelta }) => contentBlockDelta?.delta?.text,
    isEmpty: ({ message }) => message.content?.length === 0,
  })
}

function collector(): Pick<StreamReader<ConverseStreamOutput, BedrockAnswer>, 'add' | 'answer'> {
  const blocks = new Map<number, Block>()
  const told: Partial<ConverseResponse> = {}

  function block(index: number | undefined): Block {
    let found = blocks.get(index ?? 0)
    if (!found) {
      found = { text: [], input: [], reasoning: [], citations: [] }
      blocks.set(index ?? 0, found)
    }
    return found
  }

  return {
    add({ contentBlockStart, contentBlockDelta, messageStop, metadata }) {
      if (contentBlockDelta) {
        const { delta } = contentBlockDelta
        const into = block(contentBlockDelta.contentBlockIndex)
        if (delta?.text !== undefined) into.text.push(delta.text)
        else if (delta?.toolUse?.input !== undefined) into.input.push(delta.toolUse.input)
        else if (delta?.citation) into.citations.push(delta.citation as Citation)
        else if (delta?.reasoningContent) {
          const { text, signature, redactedContent } = delta.reasoningContent
          if (text !== undefined) into.reasoning.push(text)
          else if (signature !== undefined) into.signature = signature
          else into.redacted = redactedContent
        }
      } else if (contentBlockStart?.start?.toolUse) {
        block(contentBlockStart.contentBlockIndex).toolUse = contentBlockStart.start.toolUse
      } else if (messageStop) {
        Object.assign(told, messageStop)
      } else if (metadata) {
        // A later event that carries only metrics must not erase the usage.
        Object.assign(told, metadata)
      }
    },
    answer() {
      const content = [...blocks].sort(([a], [b]) => a - b).flatMap(([, block]) => contentOf(block))
      return answerOf({ ...told, output: { message: { role: 'assistant', content } } } as ConverseResponse)
    },
  }
}

interface Block {
  readonly text: string[]
  readonly input: string[]
  readonly reasoning: string[]
  readonly citations: Citation[]
  signature?: string
  redacted?: Uint8Array | undefined
  toolUse?: ToolUseBlockStart
}

function contentOf(block: Block): ContentBlock | [] {
  const { reasoning, citations, signature, redacted, toolUse } = block
  const text = block.text.join('')
  if (toolUse) return { toolUse: { ...toolUse, input: parseInput(block.input.join('')) } }
  if (redacted) return { reasoningContent: { redactedContent: redacted } }
  if (reasoning.length > 0) {
    return {
      reasoningContent: { reasoningText: { text: reasoning.join(''), ...(signature && { signature }) } },
    }
  }
  if (citations.length > 0) return { citationsContent: { content: [{ text }], citations } }
  // Bedrock refuses a message with an empty text, and so it would refuse the next prompt.
  return text === '' ? [] : { text }
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Cut off by `max_tokens`, the input of a tool is no JSON; it is kept as the string it is. */
function parseInput(text: string): Json {
  if (text === '') return {}
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** What an output of Converse amounts to. */
export function answerOf(output: ConverseResponse): BedrockAnswer {
  const message = output.output?.message ?? { role: 'assistant', content: [] }
  const { stopReason = '', usage } = output
  let text = ''
  for (const { text: plain, citationsContent } of message.content ?? []) {
    text += plain ?? ''
    for (const cited of citationsContent?.content ?? []) text += cited.text ?? ''
  }
  return {
    text,
    message,
    stopReason,
    intervened: stopReason === 'guardrail_intervened',
    usage: usage && toUsage(usage),
    output,
  }
}
