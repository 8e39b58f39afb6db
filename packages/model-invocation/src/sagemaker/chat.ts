/** Chat completions as OpenAI made them: vLLM, SGLang and AWS's containers for large models (LMI) speak it. */

import { noUsage, type Usage } from '@sluice/core'
import { type AnswerPart, refuseErrors, type SageMakerAdapter, stopReasonOf } from './adapter.ts'

/** A text, or any part of a request of chat completions. */
export type ChatPrompt = string | ChatRequest

/** Any part of a request of chat completions. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[]
  readonly [option: string]: unknown
}

/** A message of a conversation. */
export interface ChatMessage {
  readonly role: string
  readonly content?: unknown
  readonly tool_calls?: readonly ChatToolCall[] | undefined
  readonly [field: string]: unknown
}

/** A call of a tool, its arguments as JSON. */
export interface ChatToolCall {
  readonly id: string
  readonly type: 'function'
  readonly function: { readonly name: string; readonly arguments: string }
}

export interface ChatOptions {
  /** Which model of the container, where it has several (adapters of LoRA, for one). Default: none is named. */
  readonly model?: string
}

/** The language of chat completions; the default of `sagemaker()`. */
export function chat({ model }: ChatOptions = {}): SageMakerAdapter<ChatPrompt, ChatMessage> {
  return {
    contentType: 'application/json',
    accept: 'application/json',
    write(prompt, { maxTokens, temperature, topP, stopSequences }, streaming) {
      const own = typeof prompt === 'string' ? { messages: [{ role: 'user', content: prompt }] } : prompt
      return JSON.stringify({
        model,
        max_tokens: maxTokens,
        temperature,
        top_p: topP,
        stop: stopSequences,
        ...own,
        // Without the option no usage is told in a stream.
        ...(streaming && { stream: true, stream_options: { include_usage: true } }),
      })
    },
    withMaxTokens(body, maxTokens) {
      const { max_completion_tokens: _, ...request } = JSON.parse(body) as Record<string, unknown>
      return JSON.stringify({ ...request, max_tokens: maxTokens })
    },
    read(body) {
      const answer = JSON.parse(body) as Completion
      refuseErrors(answer)
      const { message, finish_reason } = (answer.choices as readonly Choice[])[0] as Choice
      if (!message) throw new TypeError('There is no message.')
      return {
        message,
        text: textOf(message.content),
        stopReason: stopReasonOf(finish_reason),
        usage: chatUsage(answer.usage),
      }
    },
    stream: { readLine: readChatLine, marksEnd: true, collect },
  }
}

interface Completion {
  readonly choices?: readonly Choice[]
  readonly usage?: ChatUsage | null
}

interface Choice {
  readonly message?: ChatMessage
  readonly delta?: Partial<ChatMessage>
  readonly finish_reason?: string | null
}

/** @internal As containers tell it. Cached tokens are among those of the prompt. */
export interface ChatUsage {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null
}

/** @internal */
export function chatUsage(told: ChatUsage | null | undefined): Usage | undefined {
  if (told?.prompt_tokens === undefined) return undefined
  const cached = told.prompt_tokens_details?.cached_tokens ?? 0
  return {
    ...noUsage,
    inputTokens: told.prompt_tokens - cached,
    outputTokens: told.completion_tokens ?? 0,
    cacheReadTokens: cached,
  }
}

/** @internal */
export function readChatLine(line: string): AnswerPart {
  if (line === '[DONE]') return { last: true }
  const chunk = JSON.parse(line) as Completion
  refuseErrors(chunk)
  const { delta, finish_reason } = chunk.choices?.[0] ?? {}
  const stopReason = stopReasonOf(finish_reason)
  const usage = chatUsage(chunk.usage)
  return {
    ...(typeof delta?.content === 'string' && delta.content !== '' && { text: delta.content }),
    ...(delta?.tool_calls && { delta: delta.tool_calls }),
    ...(stopReason !== undefined && { stopReason, last: true }),
    ...(usage && { usage }),
  }
}

interface ToolCallDelta {
  readonly index?: number
  readonly id?: string
  readonly function?: { readonly name?: string; readonly arguments?: string }
}

function collect(parts: readonly AnswerPart[]): ChatMessage {
  const calls = new Map<number, { id: string; name: string; arguments: string }>()
  for (const { delta } of parts) {
    for (const { index = 0, id, function: part } of (delta ?? []) as readonly ToolCallDelta[]) {
      const call = calls.get(index) ?? { id: '', name: '', arguments: '' }
      if (id) call.id = id
      if (part?.name) call.name += part.name
      if (part?.arguments) call.arguments += part.arguments
      calls.set(index, call)
    }
  }
  const toolCalls = [...calls]
    .sort(([a], [b]) => a - b)
    .map(([, { id, name, arguments: input }]) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: input },
    }))
  return {
    role: 'assistant',
    content: parts.map(({ text = '' }) => text).join(''),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
  }
}

/** Content is a text, or a list of parts of which some have one. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part: { readonly text?: unknown }) => (typeof part?.text === 'string' ? part.text : ''))
    .join('')
}
