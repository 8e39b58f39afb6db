/** How an operation of Bedrock that runs a model is described to policies, and how its answers are read. */

import { estimateInputTokens, type ModelRequest, type Sent, SluiceError, type Transport } from '@sluice/core'
import { baseModelOf, understandsBodyOf } from './model-id.ts'

/** Response headers, some of which the SDK does not model. */
export type Headers = Readonly<Record<string, string | undefined>>

/** What is needed of an input to describe it. */
export interface Description {
  readonly modelId: string
  readonly inputBytes: number
  readonly maxTokens: number | undefined
  readonly temperature: number | undefined
}

export interface Operation {
  readonly name: 'Converse' | 'ConverseStream' | 'InvokeModel' | 'InvokeModelWithResponseStream'
  /** The member of the output that holds the events. */
  readonly events?: 'stream' | 'body'
  /** Whether the body is in the words of one family of models. */
  readonly ofFamily?: boolean
  describe(input: never): Description
  /** Usage and stop reason of a whole answer, and how to read the events of a streamed one. */
  sent(output: never, headers: Headers): Omit<Sent, 'output' | 'events'>
}

/** An input of the SDK as policies see it. */
export function requestOf(operation: Operation, input: object, transport: Transport): ModelRequest {
  const { modelId, inputBytes, maxTokens, temperature } = operation.describe(input as never)
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
    payload: input,
    transport,
  }
}

/** How a request of an operation is made for another model. */
export function toModel(operation: Operation): NonNullable<Transport['withModel']> {
  return function withModel({ modelId: from, payload, transport }, modelId) {
    if (operation.ofFamily && !understandsBodyOf(from, modelId)) {
      throw new SluiceError(
        `The body of a request to ${from} means nothing to ${modelId}. Name a model of the same family, or use Converse.`,
        { code: 'invalid_request', statusCode: 400 },
      )
    }
    return requestOf(operation, { ...(payload as object), modelId }, transport)
  }
}

/** An output of the SDK as core takes it. */
export function sentOf(operation: Operation, output: object, headers: Headers): Sent {
  const events =
    operation.events && (output as Record<string, AsyncIterable<unknown> | undefined>)[operation.events]
  return { output, ...operation.sent(output as never, headers), events }
}
