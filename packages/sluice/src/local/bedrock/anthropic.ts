/** The bodies of Anthropic's messages, as InvokeModel takes them. */
import { type AnswerStream, blocksOf, type ParsedBody, type PromptPart, toolInput } from './dialect.ts'
import type { Family } from './families.ts'
import { countAt, listAt, objectAt, stringAt } from './json.ts'
import type { Json, JsonObject, ModelRequest, PromptTokens } from './request.ts'
import { invalid } from './service-error.ts'

/** Claude. */
export const anthropic: Family = {
  parse,
  whole: (pieces, end) =>
    JSON.stringify({
      id: MESSAGE_ID,
      type: 'message',
      role: 'assistant',
      content: blocksOf(pieces).map((block) => {
        if ('text' in block) return { type: 'text', text: block.text }
        const { toolUseId, name, inputJson } = block.toolUse
        return { type: 'tool_use', id: toolUseId, name, input: toolInput(inputJson) }
      }),
      stop_reason: end.stopReason,
      stop_sequence: end.stopSequence ?? null,
      usage: usageOf(end, end.outputTokens),
    }),
  stream,
}

const MESSAGE_ID = 'msg_bdrk_local'
const MESSAGE_TOKENS = 4
const IMAGE_TOKENS = 1600

function parse(modelId: string, body: JsonObject): ParsedBody {
  for (const key of ['anthropic_version', 'max_tokens', 'messages']) {
    if (body[key] !== undefined) continue
    throw invalid(
      `Malformed input request: #: required key [${key}] not found, please reformat your input and try again.`,
    )
  }
  const prompt: PromptPart[] = []
  const tools = listAt(body.tools ?? [], 'tools').map((item, index) => {
    const tool = objectAt(item, `tools.${index}`)
    prompt.push(JSON.stringify(tool))
    return {
      name: stringAt(tool.name, `tools.${index}.name`),
      description: String(tool.description ?? ''),
      inputSchema: (tool.input_schema ?? {}) as JsonObject,
    }
  })
  const system = body.system === undefined ? '' : readContent(body.system, 'system', prompt)
  const messages = listAt(body.messages, 'messages')
  if (messages.length === 0) throw invalid('messages: at least one message is required')
  const turns = messages.map((item, index) => {
    const message = objectAt(item, `messages.${index}`)
    prompt.push(MESSAGE_TOKENS)
    const text = readContent(message.content, `messages.${index}.content`, prompt)
    return { role: stringAt(message.role, `messages.${index}.role`), text }
  })
  const stopSequences = listAt(body.stop_sequences ?? [], 'stop_sequences').map(String)
  const request: ModelRequest = { modelId, system, turns, stopSequences, tools }
  request.maxTokens = countAt(body.max_tokens, 'max_tokens')!
  const choice = body.tool_choice as JsonObject | undefined
  if (choice?.type === 'tool') request.toolChoice = { name: stringAt(choice.name, 'tool_choice.name') }
  if (choice?.type === 'any') request.toolChoice = 'any'
  if (typeof body.temperature === 'number') request.temperature = body.temperature
  return { request, prompt }
}

function readContent(content: Json | undefined, path: string, prompt: PromptPart[]): string {
  if (typeof content === 'string') {
    prompt.push(content)
    return content
  }
  const texts = listAt(content, path).map((item, index) => {
    const block = objectAt(item, `${path}.${index}`)
    const text = readBlock(block, `${path}.${index}`, prompt)
    const cache = block.cache_control as JsonObject | undefined
    if (cache) prompt.push({ cachePoint: { ttl: cache.ttl === '1h' ? '1h' : '5m' } })
    return text
  })
  return texts.filter((text) => text !== '').join('\n')
}

function readBlock(block: JsonObject, path: string, prompt: PromptPart[]): string {
  switch (block.type) {
    case 'text':
      prompt.push(stringAt(block.text, `${path}.text`))
      return block.text as string
    case 'tool_result':
      return readContent(block.content ?? [], `${path}.content`, prompt)
    case 'document': {
      const { data, type } = objectAt(block.source, `${path}.source`)
      if (type !== 'text') return ''
      prompt.push(stringAt(data, `${path}.source.data`))
      return data as string
    }
    case 'image':
      prompt.push(IMAGE_TOKENS)
      return ''
    default:
      prompt.push(JSON.stringify(block))
      return ''
  }
}

function stream(prompt: PromptTokens, modelId: string): AnswerStream<string> {
  let block = -1
  let open: 'text' | 'tool' | undefined
  const closeBlock = () => {
    if (!open) return []
    open = undefined
    return [`{"type":"content_block_stop","index":${block}}`]
  }
  const openBlock = (kind: 'text' | 'tool', content_block: JsonObject) => {
    open = kind
    return JSON.stringify({ type: 'content_block_start', index: ++block, content_block })
  }
  return {
    start: () => {
      const message = { id: MESSAGE_ID, type: 'message', role: 'assistant', model: modelId, content: [] }
      const rest = { stop_reason: null, stop_sequence: null, usage: usageOf(prompt, 1) }
      return [JSON.stringify({ type: 'message_start', message: { ...message, ...rest } })]
    },
    piece(piece) {
      if (typeof piece !== 'string') {
        const { name, toolUseId } = piece.toolUse
        return [...closeBlock(), openBlock('tool', { type: 'tool_use', id: toolUseId, name, input: {} })]
      }
      const chunks = open ? [] : [openBlock('text', { type: 'text', text: '' })]
      const text = JSON.stringify(piece)
      const delta =
        open === 'tool'
          ? `{"type":"input_json_delta","partial_json":${text}}`
          : `{"type":"text_delta","text":${text}}`
      chunks.push(`{"type":"content_block_delta","index":${block},"delta":${delta}}`)
      return chunks
    },
    end: (end) => [
      ...closeBlock(),
      JSON.stringify({
        type: 'message_delta',
        delta: { stop_reason: end.stopReason, stop_sequence: end.stopSequence ?? null },
        usage: { output_tokens: end.outputTokens },
      }),
      '{"type":"message_stop"}',
    ],
  }
}

const usageOf = ({ inputTokens, cacheReadTokens, cacheWriteTokens }: PromptTokens, outputTokens: number) => ({
  input_tokens: inputTokens,
  cache_creation_input_tokens: cacheWriteTokens,
  cache_read_input_tokens: cacheReadTokens,
  output_tokens: outputTokens,
})
