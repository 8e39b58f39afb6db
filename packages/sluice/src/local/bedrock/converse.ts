/** The dialect of Converse and ConverseStream. */
import {
  type AnswerStream,
  blocksOf,
  type Dialect,
  type ParsedBody,
  type PromptPart,
  toolInput,
} from './dialect.ts'
import { eventFrame } from './event-stream.ts'
import type { AnswerEnd, Json, JsonObject, ModelRequest, Piece, Tool } from './request.ts'
import { invalid } from './service-error.ts'

/** Converse: one shape for every model. */
export const converse: Dialect = {
  parse,
  whole: (pieces, end) => ({
    json: JSON.stringify({
      metrics: { latencyMs: Math.round(end.latencyMs) },
      output: {
        message: {
          role: 'assistant',
          content: blocksOf(pieces).map((block) =>
            'text' in block
              ? block
              : {
                  toolUse: {
                    toolUseId: block.toolUse.toolUseId,
                    name: block.toolUse.name,
                    input: toolInput(block.toolUse.inputJson),
                  },
                },
          ),
        },
      },
      stopReason: end.stopReason,
      usage: usageOf(end),
    }),
    headers: {},
  }),
  stream,
}

const IMAGE_TOKENS = 1600
const MESSAGE_TOKENS = 4
const ROLES = new Set(['user', 'assistant', 'system'])

function parse(modelId: string, body: JsonObject): ParsedBody {
  const messages = arrayOf(body.messages, 'messages')
  if (messages.length === 0) {
    throw invalid(
      'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
    )
  }
  const prompt: PromptPart[] = []
  const toolConfig = objectOf(body.toolConfig ?? {}, 'toolConfig')
  const tools = arrayOf(toolConfig.tools ?? [], 'toolConfig.tools').flatMap((tool, index) =>
    readTool(objectOf(tool, `toolConfig.tools.${index}`), prompt),
  )
  const system = readBlocks(body.system ?? [], 'system', prompt)
  const turns = messages.map((message, index) => {
    const { role, content } = objectOf(message, `messages.${index}`)
    if (typeof role !== 'string' || !ROLES.has(role))
      throw invalid(`messages.${index}.role must be user or assistant.`)
    if (index === 0 && role === 'assistant') {
      throw invalid(
        'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
      )
    }
    if (arrayOf(content, `messages.${index}.content`).length === 0) {
      throw invalid(
        `The content field in the Message object at messages.${index} is empty. Add a ContentBlock object to the content field and try again.`,
      )
    }
    prompt.push(MESSAGE_TOKENS)
    return { role, text: readBlocks(content, `messages.${index}.content`, prompt) }
  })

  const inference = objectOf(body.inferenceConfig ?? {}, 'inferenceConfig')
  const request: ModelRequest = {
    modelId,
    system,
    turns,
    stopSequences: arrayOf(inference.stopSequences ?? [], 'inferenceConfig.stopSequences').map(String),
    tools,
  }
  if (inference.maxTokens !== undefined) {
    const { maxTokens } = inference
    if (!Number.isInteger(maxTokens) || (maxTokens as number) < 1) {
      throw invalid('inferenceConfig.maxTokens must be a whole number of at least 1.')
    }
    request.maxTokens = maxTokens as number
  }
  if (typeof inference.temperature === 'number') request.temperature = inference.temperature
  const toolChoice = readToolChoice(objectOf(toolConfig.toolChoice ?? {}, 'toolConfig.toolChoice'))
  if (toolChoice) request.toolChoice = toolChoice
  const schema = readSchema(objectOf(body.outputConfig ?? {}, 'outputConfig'))
  if (schema) {
    request.schema = schema
    prompt.push(JSON.stringify(schema))
  }
  const parsed: ParsedBody = { request, prompt }
  if (body.requestMetadata) parsed.metadata = body.requestMetadata as Record<string, string>
  return parsed
}

/** Reads content blocks to text, and adds what they weigh to the prompt. */
function readBlocks(content: Json | undefined, path: string, prompt: PromptPart[]): string {
  const texts: string[] = []
  const take = (text: string) => {
    texts.push(text)
    prompt.push(text)
  }
  arrayOf(content, path).forEach((item, index) => {
    const block = objectOf(item, `${path}.${index}`)
    if (typeof block.text === 'string') {
      if (block.text.trim() === '') {
        throw invalid(
          `The text field in the ContentBlock object at ${path}.${index} is blank. Add text to the text field, and try again.`,
        )
      }
      take(block.text)
    } else if (block.cachePoint) {
      const { ttl } = objectOf(block.cachePoint, `${path}.${index}.cachePoint`)
      prompt.push({ cachePoint: { ttl: ttl === '1h' ? '1h' : '5m' } })
    } else if (block.image || block.video || block.audio) prompt.push(IMAGE_TOKENS)
    else if (block.document) take(readDocument(objectOf(block.document, `${path}.${index}.document`)))
    else if (block.toolUse) prompt.push(JSON.stringify(block.toolUse))
    else if (block.toolResult) {
      const result = objectOf(block.toolResult, `${path}.${index}.toolResult`)
      for (const part of arrayOf(result.content ?? [], `${path}.${index}.toolResult.content`)) {
        const { text, json } = objectOf(part, `${path}.${index}.toolResult.content`)
        take(typeof text === 'string' ? text : JSON.stringify(json ?? ''))
      }
    } else if (Object.keys(block).length === 0)
      throw invalid(`The ContentBlock object at ${path}.${index} is empty.`)
    else prompt.push(JSON.stringify(block))
  })
  return texts.join('\n')
}

const TEXT_FORMATS = new Set(['txt', 'md', 'csv', 'html'])

function readDocument({ format, source }: JsonObject): string {
  const { bytes, text } = (source ?? {}) as JsonObject
  if (typeof text === 'string') return text
  if (typeof bytes !== 'string') return ''
  return TEXT_FORMATS.has(String(format)) ? Buffer.from(bytes, 'base64').toString('utf8') : ''
}

function readTool(tool: JsonObject, prompt: PromptPart[]): Tool[] {
  if (tool.cachePoint) {
    prompt.push({ cachePoint: { ttl: (tool.cachePoint as JsonObject).ttl === '1h' ? '1h' : '5m' } })
    return []
  }
  prompt.push(JSON.stringify(tool))
  const spec = tool.toolSpec as JsonObject | undefined
  if (!spec) return []
  if (typeof spec.name !== 'string') throw invalid('A tool needs a name: toolConfig.tools.toolSpec.name.')
  const inputSchema = ((spec.inputSchema as JsonObject | undefined)?.json ?? {}) as JsonObject
  return [{ name: spec.name, description: String(spec.description ?? ''), inputSchema }]
}

function readToolChoice({ tool, any }: JsonObject): ModelRequest['toolChoice'] {
  if (tool) return { name: String((tool as JsonObject).name) }
  return any ? 'any' : undefined
}

function readSchema({ textFormat }: JsonObject): JsonObject | undefined {
  const structure = (textFormat as JsonObject | undefined)?.structure as JsonObject | undefined
  const text = (structure?.jsonSchema as JsonObject | undefined)?.schema
  if (text === undefined) return undefined
  try {
    return objectOf(JSON.parse(String(text)), 'outputConfig.textFormat.structure.jsonSchema.schema')
  } catch {
    throw invalid('outputConfig.textFormat.structure.jsonSchema.schema is not a JSON schema.')
  }
}

function objectOf(value: Json | undefined, path: string): JsonObject {
  if (value && typeof value === 'object' && !Array.isArray(value)) return value
  throw invalid(`The value at ${path} must be an object.`)
}

function arrayOf(value: Json | undefined, path: string): Json[] {
  if (Array.isArray(value)) return value
  throw invalid(`The value at ${path} must be a list.`)
}

const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

function stream(): AnswerStream {
  let block = -1
  let open = false
  let sent = 0
  // The service pads each event to a random length, so that the length of a token cannot be read off the wire.
  const padding = () => PADDING.slice(0, 1 + ((sent++ * 31) % PADDING.length))
  const event = (type: string, json: string) => eventFrame(type, `${json.slice(0, -1)},"p":"${padding()}"}`)
  const closeBlock = () => {
    if (!open) return []
    open = false
    return [event('contentBlockStop', `{"contentBlockIndex":${block}}`)]
  }
  let inTool = false
  return {
    start: () => [event('messageStart', '{"role":"assistant"}')],
    piece(piece: Piece) {
      if (typeof piece === 'string') {
        if (!open) {
          open = true
          inTool = false
          block++
        }
        const text = JSON.stringify(piece)
        const delta = inTool ? `{"toolUse":{"input":${text}}}` : `{"text":${text}}`
        return [event('contentBlockDelta', `{"contentBlockIndex":${block},"delta":${delta}}`)]
      }
      const frames = closeBlock()
      open = true
      inTool = true
      block++
      const start = JSON.stringify({ contentBlockIndex: block, start: { toolUse: piece.toolUse } })
      return [...frames, event('contentBlockStart', start)]
    },
    end: (end) => [
      ...closeBlock(),
      event('messageStop', JSON.stringify({ stopReason: end.stopReason })),
      event(
        'metadata',
        JSON.stringify({ metrics: { latencyMs: Math.round(end.latencyMs) }, usage: usageOf(end) }),
      ),
    ],
  }
}

function usageOf(end: AnswerEnd) {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = end
  const totalTokens = inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens
  const usage = { inputTokens, outputTokens, totalTokens }
  if (cacheReadTokens + cacheWriteTokens === 0) return usage
  return {
    ...usage,
    cacheReadInputTokens: cacheReadTokens,
    cacheWriteInputTokens: cacheWriteTokens,
    cacheDetails: end.cacheWrites,
  }
}
