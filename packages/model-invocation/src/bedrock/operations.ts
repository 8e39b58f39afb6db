/** What Sluice knows of the four operations that run a model: how to describe a request and how to read an answer. */

import type { ConverseStreamOutput, TokenUsage } from '@aws-sdk/client-bedrock-runtime'
import {
  estimateInputTokens,
  type ModelRequest,
  type Seen,
  type Sent,
  type Transport,
  type Usage,
} from '@sluice/core'
import { type Headers, invokeModelUsage, readInvokeModelChunk } from './invoke-model.ts'
import { baseModelOf } from './model-id.ts'

/** What is needed of an input to describe it. */
export interface Description {
  readonly modelId: string
  readonly inputBytes: number
  readonly maxTokens: number | undefined
}

export interface Operation {
  readonly name: 'Converse' | 'ConverseStream' | 'InvokeModel' | 'InvokeModelWithResponseStream'
  /** The member of the output that holds the events. */
  readonly events?: 'stream' | 'body'
  describe(input: never): Description
  /** Usage and stop reason of a whole answer, and how to read the events of a streamed one. */
  sent(output: never, headers: Headers): Omit<Sent, 'output' | 'events'>
}

interface ConverseInput {
  readonly modelId?: string
  readonly system?: readonly unknown[]
  readonly messages?: readonly unknown[]
  readonly toolConfig?: unknown
  readonly inferenceConfig?: { readonly maxTokens?: number }
}

/** By the name of the command. */
export const operations: Readonly<Record<string, Operation>> = {
  ConverseCommand: {
    name: 'Converse',
    describe: describeConverse,
    sent: (output: { readonly stopReason?: string; readonly usage?: TokenUsage }) => ({
      stopReason: output.stopReason,
      usage: output.usage && toUsage(output.usage),
    }),
  },
  ConverseStreamCommand: {
    name: 'ConverseStream',
    events: 'stream',
    describe: describeConverse,
    sent: () => ({ read: readConverseEvent }),
  },
  InvokeModelCommand: {
    name: 'InvokeModel',
    describe: describeInvokeModel,
    sent: (_output, headers) => ({ usage: invokeModelUsage(headers) }),
  },
  InvokeModelWithResponseStreamCommand: {
    name: 'InvokeModelWithResponseStream',
    events: 'body',
    describe: describeInvokeModel,
    sent: () => ({ read: readInvokeModelChunk }),
  },
}

/** An input of the SDK as policies see it. */
export function requestOf(operation: Operation, input: object, transport: Transport): ModelRequest {
  const { modelId, inputBytes, maxTokens } = operation.describe(input as never)
  const baseModelId = baseModelOf(modelId)
  return {
    provider: 'bedrock',
    modelId,
    baseModelId,
    operation: operation.name,
    streaming: operation.events !== undefined,
    inputBytes,
    estimatedInputTokens: estimateInputTokens(baseModelId, inputBytes),
    maxTokens,
    payload: input,
    transport,
  }
}

/** An output of the SDK as core takes it. */
export function sentOf(operation: Operation, output: object, headers: Headers): Sent {
  const events =
    operation.events && (output as Record<string, AsyncIterable<unknown> | undefined>)[operation.events]
  return { output, ...operation.sent(output as never, headers), events }
}

function describeConverse(input: ConverseInput): Description {
  return {
    modelId: input.modelId ?? '',
    inputBytes: bytesOf(input.system) + bytesOf(input.messages) + bytesOf(input.toolConfig),
    maxTokens: input.inferenceConfig?.maxTokens,
  }
}

function describeInvokeModel(input: {
  readonly modelId?: string
  readonly body?: Uint8Array | string
}): Description {
  const { body = '' } = input
  return {
    modelId: input.modelId ?? '',
    inputBytes: typeof body === 'string' ? Buffer.byteLength(body) : (body.byteLength ?? 0),
    maxTokens: declaredMaxTokens(body),
  }
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

function readConverseEvent(event: unknown, seen: Seen): void {
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

const maxTokenNames =
  /"(?:max_tokens|maxTokens|max_gen_len|maxTokenCount|max_new_tokens|max_completion_tokens)"\s*:\s*(\d{1,7})/

/** The families name the maximum differently, but none of them hides it; it is looked for without parsing megabytes. */
function declaredMaxTokens(body: Uint8Array | string): number | undefined {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('latin1')
  const found = maxTokenNames.exec(text.length > 8192 ? text.slice(0, 4096) + text.slice(-4096) : text)
  return found ? Number(found[1]) : undefined
}
