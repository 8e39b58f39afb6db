/** How an operation of Bedrock that runs a model is described to policies, and how its answers are read. */

import { estimateInputTokens, type ModelRequest, type Sent, type Terms, type Transport } from '@sluice/core'
import type { Headers } from '../sdk/guard-client.ts'
import { baseModelOf } from './model-id.ts'

/** What is needed of an input to describe it. */
export interface Description {
  readonly modelId: string
  readonly inputBytes: number
  readonly maxTokens: number | undefined
  readonly temperature: number | undefined
  readonly terms?: Terms | undefined
}

export interface Operation {
  readonly name: 'Converse' | 'ConverseStream' | 'InvokeModel' | 'InvokeModelWithResponseStream'
  /** The member of the output that holds the events. */
  readonly events?: 'stream' | 'body'
  describe(input: never): Description
  /** Throws where an input for one model cannot be sent to another. */
  checkModel?(modelId: string, otherModelId: string): void
  /** Absent where the payload is not understood. */
  readonly withMaxTokens?: Transport['withMaxTokens']
  /** Usage and stop reason of a whole answer, and how to read the events of a streamed one. */
  sent(output: never, headers: Headers): Omit<Sent, 'output' | 'events'>
}

/** An input of the SDK as policies see it. */
export function requestOf(operation: Operation, input: object, transport: Transport): ModelRequest {
  const { modelId, inputBytes, maxTokens, temperature, terms } = operation.describe(input as never)
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
    temperature,
    terms,
    payload: input,
    transport,
  }
}

/** How a request of an operation is made for another model. */
export function toModel(operation: Operation): NonNullable<Transport['withModel']> {
  return function withModel({ modelId: from, payload, transport }, modelId) {
    operation.checkModel?.(from, modelId)
    return requestOf(operation, { ...(payload as object), modelId }, transport)
  }
}

/** Terms of service as far as they are told; undefined where nothing is. */
export function termsOf(
  serviceTier: string | undefined,
  latency: string | undefined,
  routedModelId?: string | undefined,
): Terms | undefined {
  if (serviceTier === undefined && latency === undefined && routedModelId === undefined) return undefined
  return {
    ...(serviceTier !== undefined && { serviceTier }),
    ...(latency !== undefined && { latency }),
    ...(routedModelId !== undefined && { routedModelId }),
  }
}

/** An output of the SDK as core takes it. */
export function sentOf(operation: Operation, output: object, headers: Headers): Sent {
  const events =
    operation.events && (output as Record<string, AsyncIterable<unknown> | undefined>)[operation.events]
  return { output, ...operation.sent(output as never, headers), events }
}
