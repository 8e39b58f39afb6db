/** The UI message stream of Vercel's AI SDK, version 1: what `useChat` and `DefaultChatTransport` read. */

import type { Encoder } from '../stream-part.ts'
import { sseHeaders } from './sse.ts'

/** Usage and cost are the message's metadata. A stream that is not whole has an `error` (or `abort`) and no `finish`. */
export function aiSdkEncoder(messageId: string): Encoder {
  let started = false
  let block: { readonly type: 'text' | 'reasoning'; readonly id: string } | undefined
  let blocks = 0

  function start(): string {
    if (started) return ''
    started = true
    return chunk({ type: 'start', messageId }) + chunk({ type: 'start-step' })
  }

  function close(): string {
    if (!block) return ''
    const { type, id } = block
    block = undefined
    return chunk({ type: `${type}-end`, id })
  }

  function delta(type: 'text' | 'reasoning', text: string): string {
    let before = ''
    if (block?.type !== type) {
      before = close()
      block = { type, id: String(++blocks) }
      before += chunk({ type: `${type}-start`, id: block.id })
    }
    return `${before}data: {"type":"${type}-delta","id":"${block.id}","delta":${JSON.stringify(text)}}\n\n`
  }

  function content(part: Parameters<Encoder['encode']>[0]): string {
    switch (part.type) {
      case 'token':
        return delta('text', part.text)
      case 'reasoning':
        return delta('reasoning', part.text)
      case 'tool-start':
        return close() + chunk({ type: 'tool-input-start', toolCallId: part.id, toolName: part.name })
      case 'tool-input':
        return chunk({ type: 'tool-input-delta', toolCallId: part.id, inputTextDelta: part.text })
      case 'tool': {
        const { id: toolCallId, name: toolName, input } = part
        return close() + chunk({ type: 'tool-input-available', toolCallId, toolName, input })
      }
      case 'usage':
      case 'stop':
        return ''
      case 'error': {
        const { type, code, message } = part
        const metadata = chunk({ type: 'message-metadata', messageMetadata: metadataOf(part) })
        if (code === 'aborted') return close() + metadata + chunk({ type: 'abort', reason: message })
        return close() + metadata + chunk({ type, errorText: `${message} (${code})` })
      }
      case 'done': {
        const finishReason = finishReasons[part.stopReason ?? ''] ?? 'other'
        const last = chunk({ type: 'finish', finishReason, messageMetadata: metadataOf(part) })
        return `${close()}${chunk({ type: 'finish-step' })}${last}data: [DONE]\n\n`
      }
    }
  }

  return {
    headers: { ...sseHeaders, 'x-vercel-ai-ui-message-stream': 'v1' },
    heartbeat: ':\n\n',
    encode: (part) => start() + content(part),
  }
}

const finishReasons: Readonly<Record<string, string>> = {
  '': 'stop',
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  guardrail_intervened: 'content-filter',
  content_filtered: 'content-filter',
}

function metadataOf({
  usage,
  estimated,
  cost,
}: {
  usage?: unknown
  estimated?: unknown
  cost?: unknown
}): object {
  return { usage, estimated, cost }
}

function chunk(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}
