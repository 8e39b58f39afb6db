/** How Titan and Cohere want texts, and where they put vectors. */

import type { BedrockEmbeddingSettings } from './embedding.ts'
import { baseModelOf } from './model-id.ts'

/** What vectors are for. To search, documents and queries are embedded apart. */
export type EmbeddingPurpose = 'search_document' | 'search_query' | 'classification' | 'clustering'

export interface EmbeddingFamily {
  readonly textsPerRequest: number
  body(texts: readonly string[], purpose: EmbeddingPurpose): object
  /** The vectors of an answer; undefined when there are none. */
  vectors(answer: unknown): unknown
}

type Settings = Pick<BedrockEmbeddingSettings, 'dimensions' | 'normalize' | 'purpose' | 'family'>

/** @throws TypeError when the model is none of them, or cannot do what the settings want */
export function familyOf(modelId: string, settings: Settings): EmbeddingFamily {
  const base = typeof modelId === 'string' ? baseModelOf(modelId) : ''
  const family = settings.family ?? /^(?:amazon\.)?(titan|cohere)[-.]embed/.exec(base)?.[1]
  if (family === 'titan') return titan(settings)
  if (family === 'cohere') return cohere(base, settings)
  throw new TypeError(
    `bedrockEmbedding: ${JSON.stringify(modelId)} is not known to be an embedding model of Titan or Cohere. ` +
      'Give such an id, or say in `family` what an ARN stands for.',
  )
}

function titan({ dimensions, normalize, purpose }: Settings): EmbeddingFamily {
  refuse('purpose', purpose, 'Only Cohere knows purposes.')
  oneOf([256, 512, 1024], dimensions)
  return {
    textsPerRequest: 1,
    body: ([inputText]) => ({
      inputText,
      ...(dimensions !== undefined && { dimensions }),
      ...(normalize !== undefined && { normalize }),
    }),
    vectors: (answer) => [(answer as { readonly embedding?: unknown }).embedding],
  }
}

function cohere(base: string, { dimensions, normalize }: Settings): EmbeddingFamily {
  refuse('normalize', normalize, 'Only Titan can.')
  if (/-v3/.test(base)) refuse('dimensions', dimensions, 'The vectors of Cohere 3 have 1024.')
  oneOf([256, 512, 1024, 1536], dimensions)
  return {
    textsPerRequest: 96,
    body: (texts, purpose) => ({
      texts,
      input_type: purpose,
      embedding_types: ['float'],
      ...(dimensions !== undefined && { output_dimension: dimensions }),
    }),
    vectors(answer) {
      const { embeddings } = answer as { readonly embeddings?: { readonly float?: unknown } }
      return embeddings?.float ?? embeddings
    },
  }
}

function refuse(setting: string, value: unknown, reason: string): void {
  if (value !== undefined) {
    throw new TypeError(`bedrockEmbedding: ${setting} cannot be set for this model. ${reason}`)
  }
}

function oneOf(allowed: readonly number[], dimensions: number | undefined): void {
  if (dimensions !== undefined && !allowed.includes(dimensions)) {
    throw new TypeError(
      `bedrockEmbedding: dimensions is ${String(dimensions)}. Give one of ${allowed.join(', ')}.`,
    )
  }
}
