/** InvokeModel: opaque bodies, whose usage Bedrock tells beside them, in headers and in the last chunk. */

import { noUsage, type Seen, type Terms, type Usage } from '@sluice/core'
import type { Headers } from '../sdk/guard-client.ts'
import { declaredIn, endsOf } from '../sdk/opaque-body.ts'
import { checkBodyFits } from './body-family.ts'
import { type Description, type Operation, termsOf } from './operation.ts'

export const invokeModel: Operation = {
  name: 'InvokeModel',
  describe,
  checkModel: checkBodyFits,
  sent: ({ body, ...terms }: Declared & { readonly body: Uint8Array }, headers) => ({
    usage: usageOf(headers),
    outputBytes: body.byteLength,
    stopReason: stopReasonIn(endsOf(body)),
    terms: declaredTerms(terms),
  }),
}

export const invokeModelStream: Operation = {
  name: 'InvokeModelWithResponseStream',
  events: 'body',
  describe,
  checkModel: checkBodyFits,
  sent: (terms: Declared) => ({ read: readChunk, terms: declaredTerms(terms) }),
}

/** Terms of service, in inputs as in outputs. */
interface Declared {
  readonly serviceTier?: string | undefined
  readonly performanceConfigLatency?: string | undefined
}

function declaredTerms({ serviceTier, performanceConfigLatency }: Declared): Terms | undefined {
  return termsOf(serviceTier, performanceConfigLatency)
}

function describe(input: Declared & { readonly modelId?: string; readonly body?: unknown }): Description {
  // Whatever else is there is the SDK's to refuse.
  const body = typeof input.body === 'string' || input.body instanceof Uint8Array ? input.body : ''
  return {
    modelId: input.modelId ?? '',
    inputBytes: Buffer.byteLength(body),
    ...declaredIn(body),
    terms: declaredTerms(input),
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

/** Reads a chunk of any family. Where Bedrock adds metrics of its own, they are on the last one. */
function readChunk(event: unknown, seen: Seen): void {
  const bytes = (event as { readonly chunk?: { readonly bytes?: Uint8Array } }).chunk?.bytes
  if (!bytes) return
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const stopReason = stopReasonIn(chunk)
  const metrics = chunk.includes(metricsKey)
  if (stopReason) seen.stopReason = stopReason
  if (metrics) seen.usage = metricsUsage(chunk) ?? seen.usage
  // Not every family has metrics, and some tell why they stop before they tell them.
  if (metrics || stopReason || lastWord.test(chunk)) {
    seen.complete = true
  } else if (seen.contentEvents > 0 || !isHead(chunk)) {
    seen.contentEvents++
    seen.outputBytes += Math.max(1, chunk.length - wrappingBytes)
  }
}

/** The end of an answer that says nothing else. In a text of the model's own the quotation marks would be escaped. */
const lastWord = /"(?:message_stop|messageStop)"|"is_finished":true/

const stopReasons = /"(?:stop_reason|stopReason|finish_reason|completionReason)"\s*:\s*"(\w{1,40})"/g

/** Why an answer ended, in the word of its family; but what a guardrail or `maxTokens` ended is called so in all. */
function stopReasonIn(text: string): string | undefined {
  if (text.includes('"amazon-bedrock-guardrailAction"') && text.includes('"INTERVENED"')) {
    return 'guardrail_intervened'
  }
  // Most chunks of a stream have none.
  if (!text.includes('eason"')) return undefined
  const reason = [...text.matchAll(stopReasons)].at(-1)?.[1]
  return reason && /^(?:length|max_tokens)$/i.test(reason) ? 'max_tokens' : reason
}

/** What families send before the first content: message heads, empty blocks, pings. */
const heads =
  /"(?:message_start|content_block_start|ping|messageStart|contentBlockStart|stream-start)"|"(?:generation|text|content|outputText)":""/

function isHead(chunk: string): boolean {
  return heads.test(chunk) && !chunk.includes('"reasoning')
}

/** About what a family wraps around a piece of text in each chunk. */
const wrappingBytes = 80

interface InvocationMetrics {
  readonly inputTokenCount?: number
  readonly outputTokenCount?: number
  readonly cacheReadInputTokenCount?: number
  readonly cacheWriteInputTokenCount?: number
}

function metricsUsage(chunk: string): Usage | undefined {
  let metrics: InvocationMetrics | undefined
  try {
    metrics = (JSON.parse(chunk) as Record<string, InvocationMetrics>)['amazon-bedrock-invocationMetrics']
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
