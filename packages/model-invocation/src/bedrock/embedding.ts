/** Embedding models of Bedrock: texts in, vectors out, through the same policies as every other call. */

import {
  BedrockRuntimeClient,
  InvokeModelCommand,
  type InvokeModelCommandInput,
  type InvokeModelCommandOutput,
} from '@aws-sdk/client-bedrock-runtime'
import {
  addUsage,
  callModel,
  insideAttempt,
  ModelError,
  noUsage,
  type Policy,
  type Scope,
  type Transport,
  type Usage,
} from '@sluice/core'
import type { CallSettings, ModelProvider } from '../model.ts'
import { retry } from '../retry.ts'
import { prepareClient } from '../sdk/client.ts'
import { type EmbeddingFamily, type EmbeddingPurpose, familyOf } from './embedding-families.ts'
import { toSluiceError } from './errors.ts'
import { invokeModel } from './invoke-model.ts'
import { type Operation, requestOf, sentOf } from './operation.ts'
import { requestMetadataOf } from './request-metadata.ts'
import { headersOf, keepHeaders } from './response-headers.ts'

export interface BedrockEmbeddingSettings {
  /** Length of the vectors; the default is the model's. Titan: 256, 512 or 1024. Cohere 4: 256, 512, 1024 or 1536. */
  readonly dimensions?: number
  /** Titan only: whether vectors have the length 1; the default is the model's, true. */
  readonly normalize?: boolean
  /**
   * Cohere only: what the vectors are for. A call may say otherwise.
   *
   * @default 'search_document'
   */
  readonly purpose?: EmbeddingPurpose
  /** Whose bodies an id speaks that hides its model, such as an application inference profile. */
  readonly family?: 'titan' | 'cohere'
  /**
   * Requests of one `embed()` that run at once.
   *
   * @default 5
   */
  readonly concurrency?: number
  /** The client to call with. Default: one of the environment's Region and credentials. */
  readonly client?: BedrockRuntimeClient
}

export interface EmbedSettings extends CallSettings {
  /** Cohere only: what these vectors are for. */
  readonly purpose?: EmbeddingPurpose
}

/** An embedding model bound to an invocation. */
export interface BedrockEmbeddingModel {
  readonly modelId: string
  readonly scope: Scope
  /**
   * One vector for each text, in their order. Texts are sent in as few requests as the model takes; when one fails, the
   * others are aborted.
   *
   * @throws ModelError, ModelThrottledError, TransportError, ScopeEndedError, `AbortError`
   */
  embed(texts: readonly string[], settings?: EmbedSettings): Promise<Embedding>
}

export interface Embedding {
  readonly vectors: readonly (readonly number[])[]
  /** Over all requests; undefined when the model did not tell it. */
  readonly usage: Usage | undefined
}

/**
 * A Titan or Cohere embedding model by its id, inference profile or ARN.
 *
 * @throws TypeError when the id or a setting cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { bedrockEmbedding } from '@sluice/model-invocation/bedrock'
 *
 * const model = bedrockEmbedding('amazon.titan-embed-text-v2:0', { dimensions: 512 })
 *
 * export const handler = middy<{ texts: string[] }>()
 *   .use(modelInvocation({ model, contextKey: 'embedding' }))
 *   .handler(async ({ texts }, { embedding }) => {
 *     const { vectors } = await embedding.embed(texts)
 *     return vectors
 *   })
 * ```
 */
export function bedrockEmbedding(
  modelId: string,
  settings: BedrockEmbeddingSettings = {},
): ModelProvider<BedrockEmbeddingModel> {
  const { concurrency = 5, purpose: usualPurpose = 'search_document', client } = settings
  const family = familyOf(modelId, settings)
  if (!(concurrency >= 1)) {
    throw new TypeError(`bedrockEmbedding: concurrency is ${String(concurrency)}. Give at least 1.`)
  }
  const ownClient = client ?? new BedrockRuntimeClient({ cacheMiddleware: true })
  prepareClient(ownClient)
  keepHeaders(ownClient)
  const defaults: readonly Policy[] = [retry()]
  // Without `withModel`: the vectors of another model are no substitute.
  const transport: Transport = {
    async send({ payload }, { scope, attempt }) {
      const command = new InvokeModelCommand(payload as InvokeModelCommandInput)
      const output = await insideAttempt(scope, attempt, () => ownClient.send(command))
      return sentOf(invokeEmbedding, output, headersOf(output))
    },
    toError: toSluiceError,
  }

  function bind(scope: Scope): BedrockEmbeddingModel {
    async function embedSome(
      texts: readonly string[],
      purpose: EmbeddingPurpose,
      signal: AbortSignal,
    ): Promise<Embedding> {
      const metadata = requestMetadataOf(scope)
      const input = {
        modelId,
        contentType: 'application/json',
        accept: 'application/json',
        body: JSON.stringify(family.body(texts, purpose)),
        ...(metadata && { requestMetadata: JSON.stringify(metadata) }),
      }
      const request = requestOf(invokeEmbedding, input, transport)
      const { output } = await callModel(scope, request, { signal, defaults })
      const { body } = output as InvokeModelCommandOutput
      const { usage } = invokeEmbedding.sent(output as never, headersOf(output as object))
      return { vectors: vectorsOf(family, body, texts.length, modelId), usage }
    }

    return {
      modelId,
      scope,
      async embed(texts, { signal, purpose = usualPurpose } = {}) {
        const failed = new AbortController()
        const anySignal = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
        const vectors: (readonly number[])[] = new Array(texts.length)
        let usage: Usage | undefined = noUsage
        let next = 0
        async function work(): Promise<void> {
          while (next < texts.length) {
            const at = next
            next += family.textsPerRequest
            const some = await embedSome(texts.slice(at, next), purpose, anySignal)
            for (const [index, vector] of some.vectors.entries()) vectors[at + index] = vector
            usage = usage && some.usage && addUsage(usage, some.usage)
          }
        }
        try {
          await Promise.all(Array.from({ length: concurrency }, work))
        } catch (error) {
          failed.abort()
          throw error
        }
        return { vectors, usage }
      },
    }
  }

  return { modelId, bind }
}

/** InvokeModel, but that nothing is generated: its answers are long without being tokens. */
const invokeEmbedding: Operation = {
  ...invokeModel,
  describe: (input) => ({ ...invokeModel.describe(input), maxTokens: 0, temperature: undefined }),
  sent(output: InvokeModelCommandOutput, headers) {
    const { usage } = invokeModel.sent(output as never, headers)
    const counted = /"inputTextTokenCount":(\d+)/.exec(
      Buffer.from(output.body.slice(-200)).toString('latin1'),
    )
    return { usage: usage ?? (counted ? { ...noUsage, inputTokens: Number(counted[1]) } : undefined) }
  },
}

function vectorsOf(
  family: EmbeddingFamily,
  body: Uint8Array,
  count: number,
  modelId: string,
): readonly (readonly number[])[] {
  let vectors: unknown
  try {
    vectors = family.vectors(JSON.parse(Buffer.from(body).toString()))
  } catch {
    // An error of JSON.parse quotes the answer, which may repeat the texts.
  }
  if (Array.isArray(vectors) && vectors.length === count && vectors.every(Array.isArray)) return vectors
  throw new ModelError(`${modelId} did not answer with ${count} vectors.`, {
    code: 'model_failed',
    statusCode: 502,
    unbilled: false,
  })
}
