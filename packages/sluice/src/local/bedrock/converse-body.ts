/** Reads the body of Converse. */
import type { ParsedBody, PromptPart } from './dialect.ts'
import { countAt, listAt, objectAt, stringAt } from './json.ts'
import type { Json, JsonObject, ModelRequest, Tool } from './request.ts'
import { invalid } from './service-error.ts'

const IMAGE_TOKENS = 1600
const MESSAGE_TOKENS = 4
const ROLES = new Set(['user', 'assistant', 'system'])

/** Reads a request of Converse, also for Nova, whose own body is nearly the same. */
export function parseConverse(modelId: string, body: JsonObject): ParsedBody {
  const isPrompt = PROMPT_ARN.test(modelId)
  const messages = listAt(isPrompt ? (body.messages ?? []) : body.messages, 'messages')
  if (isPrompt) checkPromptResource(body)
  else if (messages.length === 0) {
    throw invalid(
      'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
    )
  }
  const prompt: PromptPart[] = []
  const toolConfig = objectAt(body.toolConfig ?? {}, 'toolConfig')
  const tools = listAt(toolConfig.tools ?? [], 'toolConfig.tools').flatMap((tool, index) =>
    readTool(objectAt(tool, `toolConfig.tools.${index}`), prompt),
  )
  const system = readBlocks(body.system ?? [], 'system', prompt)
  const turns = messages.map((message, index) => {
    const { role, content } = objectAt(message, `messages.${index}`)
    if (!ROLES.has(String(role))) throw invalid(`messages.${index}.role must be user or assistant.`)
    if (index === 0 && role === 'assistant') {
      throw invalid(
        'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
      )
    }
    if (listAt(content, `messages.${index}.content`).length === 0) {
      throw invalid(
        `The content field in the Message object at messages.${index} is empty. Add a ContentBlock object to the content field and try again.`,
      )
    }
    prompt.push(MESSAGE_TOKENS)
    return { role: String(role), text: readBlocks(content, `messages.${index}.content`, prompt) }
  })

  const inference = objectAt(body.inferenceConfig ?? {}, 'inferenceConfig')
  const request: ModelRequest = {
    modelId,
    system,
    turns,
    stopSequences: listAt(inference.stopSequences ?? [], 'inferenceConfig.stopSequences').map(String),
    tools,
  }
  const maxTokens = countAt(inference.maxTokens, 'inferenceConfig.maxTokens')
  if (maxTokens !== undefined) request.maxTokens = maxTokens
  if (typeof inference.temperature === 'number') request.temperature = inference.temperature
  const toolChoice = readToolChoice(objectAt(toolConfig.toolChoice ?? {}, 'toolConfig.toolChoice'))
  if (toolChoice) request.toolChoice = toolChoice
  const schema = readSchema(objectAt(body.outputConfig ?? {}, 'outputConfig'))
  if (schema) {
    request.schema = schema
    prompt.push(JSON.stringify(schema))
  }
  const parsed: ParsedBody = { request, prompt }
  if (body.requestMetadata) parsed.metadata = readMetadata(body.requestMetadata)
  const { guardrailIdentifier, trace } = objectAt(body.guardrailConfig ?? {}, 'guardrailConfig')
  if (guardrailIdentifier !== undefined) {
    const id = stringAt(guardrailIdentifier, 'guardrailConfig.guardrailIdentifier')
    parsed.guardrail = { id, trace: trace === 'enabled' || trace === 'enabled_full' }
  }
  parsed.served = {
    ...(body.serviceTier !== undefined && { serviceTier: body.serviceTier }),
    ...(body.performanceConfig !== undefined && { performanceConfig: body.performanceConfig }),
    ...(listAt(body.additionalModelResponseFieldPaths ?? [], 'additionalModelResponseFieldPaths').includes(
      '/stop_sequence',
    ) && { modelFields: ['stop_sequence'] }),
  }
  return parsed
}

const PROMPT_ARN = /^arn:[^/]*:prompt\//
const NOT_WITH_A_PROMPT = ['additionalModelRequestFields', 'inferenceConfig', 'system', 'toolConfig']

/** A prompt of Prompt management brings its own settings. */
function checkPromptResource(body: JsonObject): void {
  const field = NOT_WITH_A_PROMPT.find((name) => body[name] !== undefined)
  if (field) throw invalid(`You can't specify ${field} with a prompt resource. Remove it and try again.`)
}

const METADATA = /^[\w\s:@$#=/+,.-]{0,256}$/

function readMetadata(value: Json): Record<string, string> {
  const metadata = Object.entries(objectAt(value, 'requestMetadata')) as [string, string][]
  const fits = metadata.every(([key, text]) => key !== '' && METADATA.test(key) && METADATA.test(text))
  if (metadata.length > 16 || !fits)
    throw invalid('The value at requestMetadata failed to satisfy its constraint.')
  return Object.fromEntries(metadata)
}

/** Reads content blocks to text, and adds what they weigh to the prompt. */
function readBlocks(content: Json | undefined, path: string, prompt: PromptPart[]): string {
  const texts: string[] = []
  const take = (text: string) => {
    texts.push(text)
    prompt.push(text)
  }
  listAt(content, path).forEach((item, index) => {
    const block = objectAt(item, `${path}.${index}`)
    if (typeof block.text === 'string') {
      if (block.text.trim() === '') {
        throw invalid(
          `The text field in the ContentBlock object at ${path}.${index} is blank. Add text to the text field, and try again.`,
        )
      }
      take(block.text)
    } else if (block.cachePoint) {
      const { ttl } = objectAt(block.cachePoint, `${path}.${index}.cachePoint`)
      prompt.push({ cachePoint: { ttl: ttl === '1h' ? '1h' : '5m' } })
    } else if (block.image || block.video || block.audio) prompt.push(IMAGE_TOKENS)
    else if (block.document) take(readDocument(objectAt(block.document, `${path}.${index}.document`)))
    else if (block.toolUse) prompt.push(JSON.stringify(block.toolUse))
    else if (block.toolResult) {
      const result = objectAt(block.toolResult, `${path}.${index}.toolResult`)
      for (const part of listAt(result.content ?? [], `${path}.${index}.toolResult.content`)) {
        const { text, json } = objectAt(part, `${path}.${index}.toolResult.content`)
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
  const inputSchema = ((spec.inputSchema as JsonObject | undefined)?.json ?? {}) as JsonObject
  return [
    {
      name: stringAt(spec.name, 'toolConfig.tools.toolSpec.name'),
      description: String(spec.description ?? ''),
      inputSchema,
    },
  ]
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
    return objectAt(JSON.parse(String(text)), 'outputConfig.textFormat.structure.jsonSchema.schema')
  } catch {
    throw invalid('outputConfig.textFormat.structure.jsonSchema.schema is not a JSON schema.')
  }
}
