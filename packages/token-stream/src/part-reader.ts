/** Reads what a handler streams: Converse events, typed parts, strings or bytes. */

import type { StreamPart } from './stream-part.ts'

export interface PartReader {
  /** Each item is one part, or nothing that a reader is told of. */
  read(item: unknown): StreamPart | undefined
  /** Whether the stream may end here. An answer of Converse is whole only once the provider has said so. */
  readonly whole: boolean
  readonly stopReason: string | undefined
  /** Of all text so far. */
  readonly characters: number
}

/** What is read of the events of ConverseStream. Structural, so that no SDK is needed for it. */
interface ConverseEvent {
  readonly messageStart?: object
  readonly contentBlockStart?: {
    readonly contentBlockIndex?: number
    readonly start?: { readonly toolUse?: { readonly toolUseId?: string; readonly name?: string } }
  }
  readonly contentBlockDelta?: {
    readonly contentBlockIndex?: number
    readonly delta?: {
      readonly text?: string
      readonly toolUse?: { readonly input?: string }
      readonly reasoningContent?: { readonly text?: string }
    }
  }
  readonly contentBlockStop?: { readonly contentBlockIndex?: number }
  readonly messageStop?: { readonly stopReason?: string }
}

interface OpenTool {
  readonly id: string
  readonly name: string
  input: string
}

export function partReader(): PartReader {
  const tools = new Map<number | undefined, OpenTool>()
  const decoder = new TextDecoder()
  let whole = true
  let stopReason: string | undefined
  let characters = 0

  function readEvent(event: ConverseEvent): StreamPart | undefined {
    const { contentBlockDelta } = event
    if (contentBlockDelta) {
      whole = false
      const { delta, contentBlockIndex } = contentBlockDelta
      if (delta?.text) return { type: 'token', text: delta.text }
      if (delta?.reasoningContent?.text) return { type: 'reasoning', text: delta.reasoningContent.text }
      const tool = tools.get(contentBlockIndex)
      const text = delta?.toolUse?.input
      if (!tool || !text) return undefined
      tool.input += text
      return { type: 'tool-input', id: tool.id, text }
    }
    if (event.contentBlockStart) {
      whole = false
      const { start, contentBlockIndex } = event.contentBlockStart
      if (!start?.toolUse) return undefined
      const { toolUseId: id = '', name = '' } = start.toolUse
      tools.set(contentBlockIndex, { id, name, input: '' })
      return { type: 'tool-start', id, name }
    }
    if (event.contentBlockStop) {
      const tool = tools.get(event.contentBlockStop.contentBlockIndex)
      if (!tool) return undefined
      tools.delete(event.contentBlockStop.contentBlockIndex)
      return { type: 'tool', id: tool.id, name: tool.name, input: parsed(tool.input) }
    }
    if (event.messageStart) whole = false
    if (!event.messageStop) return undefined
    whole = true
    stopReason = event.messageStop.stopReason
    return undefined
  }

  function partOf(item: unknown): StreamPart | undefined {
    if (typeof item === 'string') return { type: 'token', text: item }
    if (item instanceof Uint8Array) return { type: 'token', text: decoder.decode(item, { stream: true }) }
    if (typeof item !== 'object' || item === null) return undefined
    if (!('type' in item)) return readEvent(item)
    return partTypes.has(item.type) ? (item as StreamPart) : undefined
  }

  return {
    read(item) {
      const part = partOf(item)
      if (part?.type === 'token' || part?.type === 'reasoning') characters += part.text.length
      if (part?.type === 'stop') stopReason = part.reason
      return part
    },
    get characters() {
      return characters
    },
    get whole() {
      return whole
    },
    get stopReason() {
      return stopReason
    },
  }
}

const partTypes = new Set<unknown>(['token', 'reasoning', 'tool-start', 'tool-input', 'tool', 'stop'])

/** Cut off by `max_tokens`, the input of a tool is no JSON; it is kept as the text it is. */
function parsed(input: string): unknown {
  if (input === '') return {}
  try {
    return JSON.parse(input)
  } catch {
    return input
  }
}
