/** A dialect is how one operation spells requests and answers: Converse's, or that of one family of bodies. */
import type { GuardrailChoice } from './guardrail.ts'
import type { AnswerEnd, JsonObject, ModelRequest, Piece, PromptTokens, Served } from './request.ts'

/** A stretch of the prompt: text, a number of tokens that is no text (an image), or a cache point. */
export type PromptPart = string | number | { cachePoint: { ttl: '5m' | '1h' } }

/** A body, read. */
export interface ParsedBody {
  request: ModelRequest
  /** The prompt in the order in which the model would read it; what is counted, held and cached. */
  prompt: readonly PromptPart[]
  metadata?: Record<string, string>
  guardrail?: GuardrailChoice
  /** What the answer repeats of the request. */
  served?: Served
  /** The answer, where it takes no model that writes. */
  ready?: (prompt: PromptTokens) => string
}

/** Spells one streamed answer, in frames or in whatever becomes frames. */
export interface AnswerStream<Part> {
  start(): Part[]
  piece(piece: Piece): Part[]
  end(end: AnswerEnd): Part[]
}

/** Reads bodies and spells answers. */
export interface Dialect {
  /** @throws ServiceError when the body is not a request of this dialect */
  parse(modelId: string, body: JsonObject): ParsedBody
  /** The body of a whole answer, and headers of its own. */
  whole(pieces: readonly Piece[], end: AnswerEnd): { json: string; headers: Record<string, string> }
  /** Headers of a streamed answer beside its content type. */
  streamHeaders: Record<string, string>
  stream(prompt: PromptTokens, modelId: string): AnswerStream<Buffer>
}

/** A block of an answer: text, or a tool call with its input as JSON text. */
export type Block = { text: string } | { toolUse: { name: string; toolUseId: string; inputJson: string } }

/** Joins the pieces of a whole answer into its blocks. */
export function blocksOf(pieces: readonly Piece[]): Block[] {
  const blocks: Block[] = []
  for (let at = 0; at < pieces.length; ) {
    const first = pieces[at]!
    let end = typeof first === 'string' ? at : at + 1
    while (end < pieces.length && typeof pieces[end] === 'string') end++
    if (typeof first === 'string') blocks.push({ text: pieces.slice(at, end).join('') })
    else blocks.push({ toolUse: { ...first.toolUse, inputJson: pieces.slice(at + 1, end).join('') } })
    at = end
  }
  return blocks
}

/** The text of a whole answer. */
export const textOf = (pieces: readonly Piece[]): string =>
  pieces.filter((piece) => typeof piece === 'string').join('')

/** The input of a tool call; a call that was cut off by the token limit has none that can be read. */
export function toolInput(inputJson: string): JsonObject {
  try {
    return JSON.parse(inputJson) as JsonObject
  } catch {
    return {}
  }
}
