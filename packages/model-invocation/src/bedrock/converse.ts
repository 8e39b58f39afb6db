/** Converse and ConverseStream. */

import type {
  ConverseResponse,
  ConverseStreamMetadataEvent,
  ConverseStreamOutput,
  TokenUsage,
} from '@aws-sdk/client-bedrock-runtime'
import type { ModelRequest, Seen, Terms, Usage } from '@sluice/core'
import { type Description, type Operation, termsOf } from './operation.ts'

export const converse: Operation = {
  name: 'Converse',
  describe,
  withMaxTokens,
  sent(response: Omit<ConverseResponse, 'metrics'>) {
    const { output, stopReason, usage } = response
    return {
      stopReason,
      usage: usage && toUsage(usage),
      outputBytes: bytesOf(output?.message?.content),
      terms: servedTerms(response),
    }
  },
}

export const converseStream: Operation = {
  name: 'ConverseStream',
  events: 'stream',
  describe,
  withMaxTokens,
  sent: () => ({ read: readEvent }),
}

interface ConverseInput {
  readonly modelId?: string
  readonly system?: readonly unknown[]
  readonly messages?: readonly unknown[]
  readonly toolConfig?: unknown
  readonly inferenceConfig?: { readonly maxTokens?: number; readonly temperature?: number }
  readonly serviceTier?: { readonly type?: string }
  readonly performanceConfig?: { readonly latency?: string }
}

function describe(input: ConverseInput): Description {
  return {
    modelId: input.modelId ?? '',
    inputBytes: bytesOf(input.system) + bytesOf(input.messages) + bytesOf(input.toolConfig),
    maxTokens: input.inferenceConfig?.maxTokens,
    temperature: input.inferenceConfig?.temperature,
    terms: termsOf(input.serviceTier?.type, input.performanceConfig?.latency),
  }
}

function withMaxTokens(request: ModelRequest, maxTokens: number): ModelRequest {
  const input = request.payload as ConverseInput
  const payload = { ...input, inferenceConfig: { ...input.inferenceConfig, maxTokens } }
  return { ...request, maxTokens, payload }
}

function servedTerms({
  serviceTier,
  performanceConfig,
  trace,
}: Pick<ConverseStreamMetadataEvent, 'serviceTier' | 'performanceConfig' | 'trace'>): Terms | undefined {
  return termsOf(serviceTier?.type, performanceConfig?.latency, trace?.promptRouter?.invokedModelId)
}

/** The usage of Bedrock in our buckets. Its `inputTokens` are those that the cache had no part in. */
export function toUsage(told: TokenUsage): Usage {
  const write = told.cacheWriteInputTokens ?? 0
  let write1h = 0
  for (const { ttl, inputTokens = 0 } of told.cacheDetails ?? []) if (ttl === '1h') write1h += inputTokens
  return {
    inputTokens: told.inputTokens ?? 0,
    outputTokens: told.outputTokens ?? 0,
    cacheReadTokens: told.cacheReadInputTokens ?? 0,
    cacheWrite5mTokens: Math.max(0, write - write1h),
    cacheWrite1hTokens: write1h,
  }
}

function readEvent(event: unknown, seen: Seen): void {
  const { contentBlockDelta, contentBlockStart, messageStop, metadata } = event as ConverseStreamOutput
  if (contentBlockDelta) {
    const delta = contentBlockDelta.delta
    const text = delta?.text ?? delta?.toolUse?.input ?? delta?.reasoningContent?.text
    seen.contentEvents++
    if (typeof text === 'string') seen.outputBytes += Buffer.byteLength(text)
  } else if (contentBlockStart) {
    seen.contentEvents++
  } else if (messageStop) {
    seen.complete = true
    seen.stopReason = messageStop.stopReason
  } else if (metadata?.usage) {
    // A later event that carries only metrics must not erase it.
    seen.usage = toUsage(metadata.usage)
    seen.terms = servedTerms(metadata) ?? seen.terms
  }
}

/** Images and documents count by allowance: their bytes say nothing about their tokens. */
const binaryAllowanceBytes = 6000

function bytesOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (typeof value !== 'object' || value === null) return 0
  if (value instanceof Uint8Array) return binaryAllowanceBytes
  let sum = 0
  if (Array.isArray(value)) {
    for (const item of value) sum += bytesOf(item)
  } else {
    for (const item of Object.values(value)) sum += bytesOf(item)
  }
  return sum
}
