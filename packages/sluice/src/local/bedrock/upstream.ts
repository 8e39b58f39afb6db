/** Answers from any server that speaks OpenAI's chat completions, instead of the built-in model. */
import type { Json, JsonObject, LocalModel, ModelRequest, Piece } from './request.ts'
import { ServiceError } from './service-error.ts'
import { TOO_MANY_REQUESTS, throttling } from './strike.ts'
import { splitTokens } from './tokens.ts'

/** Where answers come from. */
export interface UpstreamOptions {
  /** Base URL, with or without `/v1`, e.g. `http://127.0.0.1:11434`. */
  url: string
  /** The model to ask for there. @default the id asked for here */
  model?: string
  /** Sent with each request, e.g. an `authorization`. */
  headers?: Record<string, string>
}

/**
 * A model that asks an OpenAI-compatible server. The token limit and the stop sequences of a request are kept
 * here and not there, so that they count the same tokens as everything else; the upstream is left as soon as they
 * are reached.
 */
export function upstreamModel({ url, model, headers = {} }: UpstreamOptions): LocalModel {
  const target = `${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/chat/completions`
  return async function* upstream(request, signal) {
    const left = new AbortController()
    try {
      const response = await ask(target, { 'content-type': 'application/json', ...headers }, request, model, [
        signal,
        left.signal,
      ])
      if (response.headers.get('content-type')?.includes('text/event-stream')) yield* streamed(response)
      else yield whole((await response.json()) as JsonObject)
    } finally {
      left.abort()
    }
  }
}

async function ask(
  target: string,
  headers: Record<string, string>,
  request: ModelRequest,
  model: string | undefined,
  signals: AbortSignal[],
): Promise<Response> {
  const body = JSON.stringify({ ...bodyOf(request), model: model ?? request.modelId })
  const signal = AbortSignal.any(signals)
  const response = await fetch(target, { method: 'POST', headers, body, signal }).catch((cause: unknown) => {
    signal.throwIfAborted()
    throw new ServiceError('ServiceUnavailableException', 503, `The upstream cannot be reached: ${cause}`)
  })
  if (response.ok) return response
  await response.body?.cancel()
  if (response.status === 429) throw throttling(TOO_MANY_REQUESTS)
  const message = `The upstream answered ${response.status}.`
  throw response.status < 500
    ? new ServiceError('ValidationException', 400, message)
    : new ServiceError('InternalServerException', 500, message)
}

function bodyOf({ system, turns, tools, toolChoice, schema, temperature }: ModelRequest): JsonObject {
  const messages = turns.map(({ role, text }) => ({ role, content: text }))
  if (system) messages.unshift({ role: 'system', content: system })
  const body: JsonObject = { messages, stream: true }
  if (temperature !== undefined) body.temperature = temperature
  if (tools.length > 0) {
    body.tools = tools.map(({ name, description, inputSchema }) => ({
      type: 'function',
      function: { name, description, parameters: inputSchema },
    }))
  }
  if (toolChoice) {
    body.tool_choice =
      toolChoice === 'any' ? 'required' : { type: 'function', function: { name: toolChoice.name } }
  }
  if (schema) body.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema } }
  return body
}

async function* streamed(response: Response): AsyncIterable<Piece[]> {
  const calls = new Set<Json | undefined>()
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of response.body ?? []) {
    const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split(/\r?\n/)
    rest = lines.pop() ?? ''
    const pieces = lines.flatMap((line) => {
      const data = /^data:\s*(\{.*)$/.exec(line)?.[1]
      return data ? piecesOf(choiceOf(JSON.parse(data) as JsonObject, 'delta'), calls) : []
    })
    if (pieces.length > 0) yield pieces
  }
}

const whole = (body: JsonObject): Piece[] => piecesOf(choiceOf(body, 'message'), new Set())

function choiceOf({ choices }: JsonObject, part: 'delta' | 'message'): JsonObject {
  return ((choices as JsonObject[] | undefined)?.[0]?.[part] ?? {}) as JsonObject
}

/** `calls` holds the tool calls already begun: their later parts bring only more of the input. */
function piecesOf({ content, tool_calls }: JsonObject, calls: Set<Json | undefined>): Piece[] {
  const pieces: Piece[] = typeof content === 'string' ? splitTokens(content) : []
  for (const call of (tool_calls ?? []) as JsonObject[]) {
    const { name, arguments: input } = (call.function ?? {}) as JsonObject
    const key = call.index ?? call.id
    if (!calls.has(key)) {
      calls.add(key)
      pieces.push({ toolUse: { name: String(name), toolUseId: String(call.id ?? `tooluse_${calls.size}`) } })
    }
    if (typeof input === 'string') pieces.push(...splitTokens(input))
  }
  return pieces
}
