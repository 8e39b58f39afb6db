/** InvokeModel: opaque bodies, whose usage Bedrock tells beside them, in headers and in the last chunk. */

import { noUsage, type Seen, type Usage } from '@sluice/core'
import type { Description, Headers, Operation } from './operation.ts'

export const invokeModel: Operation = {
  name: 'InvokeModel',
  ofFamily: true,
  describe,
  sent: ({ body }: { readonly body: Uint8Array }, headers) => ({
    usage: usageOf(headers),
    outputBytes: body.byteLength,
  }),
}

export const invokeModelStream: Operation = {
  name: 'InvokeModelWithResponseStream',
  events: 'body',
  ofFamily: true,
  describe,
  sent: () => ({ read: readChunk }),
}

function describe(input: { readonly modelId?: string; readonly body?: unknown }): Description {
  // Whatever else is there is the SDK's to refuse.
  const body = typeof input.body === 'string' || input.body instanceof Uint8Array ? input.body : ''
  return {
    modelId: input.modelId ?? '',
    inputBytes: Buffer.byteLength(body),
    ...declaredIn(body),
  }
}

const maxTokenNames =
  /"(?:max_tokens|maxTokens|max_gen_len|maxTokenCount|max_new_tokens|max_completion_tokens)"\s*:\s*(\d{1,7})/

const temperatureName = /"temperature"\s*:\s*(\d+(?:\.\d+)?)/

/** The families name the maximum differently, but none of them hides it; it is looked for without parsing megabytes. */
function declaredIn(body: Uint8Array | string): Pick<Description, 'maxTokens' | 'temperature'> {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('latin1')
  const ends = text.length > 8192 ? text.slice(0, 4096) + text.slice(-4096) : text
  const [maxTokens, temperature] = [maxTokenNames, temperatureName].map((name) => name.exec(ends)?.[1])
  return {
    maxTokens: maxTokens === undefined ? undefined : Number(maxTokens),
    temperature: temperature === undefined ? undefined : Number(temperature),
  }
}

/** Usage from the headers of an answer, which the SDK does not model; undefined for models whose answers carry none. */
function usageOf(headers: Headers): Usage | undefined {
  const count = (name: string) => headers[`x-amzn-bedrock-${name}-token-count`]
  const input = count('input')
  const output = count('output')
  if (input === undefined && output === undefined) return undefined
  return {
    ...noUsage,
    inputTokens: Number(input ?? 0),
    outputTokens: Number(output ?? 0),
    cacheReadTokens: Number(count('cache-read-input') ?? 0),
    cacheWrite5mTokens: Number(count('cache-write-input') ?? 0),
  }
}

const metricsKey = '"amazon-bedrock-invocationMetrics"'

/** What families send before the first content: message heads, empty blocks, pings. */
const heads = ['"message_start"', '"content_block_start"', '"ping"', '"messageStart"', '"contentBlockStart"']

/** Reads a chunk of any family. The one that carries Bedrock's own metrics is the last of a whole answer. */
function readChunk(event: unknown, seen: Seen): void {
  const bytes = (event as { readonly chunk?: { readonly bytes?: Uint8Array } }).chunk?.bytes
  if (!bytes) return
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (chunk.includes(metricsKey)) {
    seen.complete = true
    seen.usage = metricsUsage(chunk) ?? seen.usage
  } else if (seen.contentEvents > 0 || !heads.some((head) => chunk.includes(head))) {
    seen.contentEvents++
    seen.outputBytes += Math.max(1, chunk.byteLength - wrappingBytes)
  }
}

/** About what a family wraps around a piece of text in each chunk. */
const wrappingBytes = 80

interface InvocationMetrics {
  readonly inputTokenCount?: number
  readonly outputTokenCount?: number
  readonly cacheReadInputTokenCount?: number
  readonly cacheWriteInputTokenCount?: number
}

function metricsUsage(chunk: Buffer): Usage | undefined {
  let metrics: InvocationMetrics | undefined
  try {
    metrics = (JSON.parse(chunk.toString()) as Record<string, InvocationMetrics>)[
      'amazon-bedrock-invocationMetrics'
    ]
  } catch {
    // An error of JSON.parse quotes the answer. The answer is whole; its usage is estimated.
  }
  if (metrics?.inputTokenCount === undefined) return undefined
  return {
    ...noUsage,
    inputTokens: metrics.inputTokenCount,
    outputTokens: metrics.outputTokenCount ?? 0,
    cacheReadTokens: metrics.cacheReadInputTokenCount ?? 0,
    cacheWrite5mTokens: metrics.cacheWriteInputTokenCount ?? 0,
  }
}
