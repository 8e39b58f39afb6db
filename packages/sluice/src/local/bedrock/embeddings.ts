/** Embedding models: bodies of Titan and Cohere, and vectors that are near where texts share words. */
import { createHash } from 'node:crypto'
import type { ParsedBody } from './dialect.ts'
import { stems } from './extractive/words.ts'
import { countAt, listAt, stringAt } from './json.ts'
import type { Json, JsonObject } from './request.ts'
import { invalid } from './service-error.ts'

/** Reads the body of an embedding model; nothing for models that write. */
export function embeddingParserOf(
  baseModel: string,
): ((modelId: string, body: JsonObject) => ParsedBody) | undefined {
  if (baseModel.startsWith('amazon.titan-embed-text')) return titan
  if (baseModel.startsWith('cohere.embed')) return cohere
  return undefined
}

function titan(modelId: string, body: JsonObject): ParsedBody {
  const text = stringAt(body.inputText, 'inputText')
  if (text === '') {
    throw invalid('Malformed input request: #/inputText: expected minLength: 1, actual: 0, please reformat.')
  }
  const dimensions = oneOf([1024, 512, 256], body.dimensions, 'dimensions')
  return embedding(modelId, [text], (inputTokens) => {
    const vector = vectorOf(text, dimensions, body.normalize !== false)
    return { embedding: vector, embeddingsByType: { float: vector }, inputTextTokenCount: inputTokens }
  })
}

const INPUT_TYPES = ['search_document', 'search_query', 'classification', 'clustering']
const MOST_TEXTS = 96
const LONGEST_TEXT = 2048

function cohere(modelId: string, body: JsonObject): ParsedBody {
  const v4 = modelId.includes('embed-v4')
  const texts = listAt(body.texts, 'texts').map((text, index) => stringAt(text, `texts.${index}`))
  if (texts.length === 0 || texts.length > MOST_TEXTS) {
    throw invalid(`Malformed input request: #/texts: expected 1 to ${MOST_TEXTS} items, please reformat.`)
  }
  if (!v4 && texts.some(({ length }) => length > LONGEST_TEXT)) {
    throw invalid(`Malformed input request: #/texts: expected maxLength: ${LONGEST_TEXT}, please reformat.`)
  }
  if (!INPUT_TYPES.includes(String(body.input_type))) {
    throw invalid(`Malformed input request: #/input_type: expected one of ${INPUT_TYPES}, please reformat.`)
  }
  const dimensions = v4 ? oneOf([1536, 1024, 512, 256], body.output_dimension, 'output_dimension') : 1024
  return embedding(modelId, texts, () => {
    const vectors = texts.map((text) => vectorOf(text, dimensions, true))
    const byType = body.embedding_types !== undefined
    return {
      id: 'local',
      response_type: byType ? 'embeddings_by_type' : 'embeddings_floats',
      embeddings: byType ? { float: vectors } : vectors,
      texts,
    }
  })
}

function embedding(
  modelId: string,
  texts: readonly string[],
  spell: (inputTokens: number) => JsonObject,
): ParsedBody {
  return {
    request: { modelId, system: '', turns: [], stopSequences: [], tools: [], maxTokens: 0 },
    prompt: texts,
    ready: ({ inputTokens }) => JSON.stringify(spell(inputTokens)),
  }
}

function oneOf(allowed: readonly [number, ...number[]], value: Json | undefined, path: string): number {
  const dimensions = countAt(value, path) ?? allowed[0]
  if (!allowed.includes(dimensions)) {
    throw invalid(`Malformed input request: #/${path}: expected one of ${allowed}, please reformat.`)
  }
  return dimensions
}

/** Each word adds to a few places, which its hash picks. */
const PLACES_PER_WORD = 4

function vectorOf(text: string, dimensions: number, normalize: boolean): number[] {
  const vector = new Array<number>(dimensions).fill(0)
  // Where all words cancel each other out, the text still has a direction.
  vector[0] = 0.01
  const words = stems(text)
  for (const word of words.length > 0 ? words : [text]) {
    const hash = createHash('sha256').update(word).digest()
    for (let place = 0; place < PLACES_PER_WORD; place++) {
      const sign = hash.readUInt8(place) % 2 === 0 ? 1 : -1
      const at = hash.readUInt16BE(8 + 2 * place) % dimensions
      vector[at] = (vector[at] ?? 0) + sign
    }
  }
  const length = Math.hypot(...vector)
  return normalize ? vector.map((value) => value / length) : vector
}
