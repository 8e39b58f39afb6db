/** InvokeEndpoint and InvokeEndpointWithResponseStream, as policies see them. */

import type {
  InvokeEndpointCommandInput,
  InvokeEndpointCommandOutput,
  InvokeEndpointWithResponseStreamCommandInput,
  InvokeEndpointWithResponseStreamCommandOutput,
} from '@aws-sdk/client-sagemaker-runtime'
import { estimateInputTokens, type ModelRequest, type Sent, type Transport } from '@sluice/core'
import { declaredIn, endsOf } from '../sdk/opaque-body.ts'
import { stopReasonOf } from './adapter.ts'
import { chatUsage } from './chat.ts'
import { streamWatcher } from './stream-watcher.ts'

export type EndpointInput = InvokeEndpointCommandInput | InvokeEndpointWithResponseStreamCommandInput

/** What a body does not say of itself. */
export type Describe = (
  input: EndpointInput,
) => { readonly maxTokens?: number; readonly inputBytes?: number } | undefined

/** `InvokeEndpoint` gives whole answers, the other one streams. */
export type OperationName = 'InvokeEndpoint' | 'InvokeEndpointWithResponseStream'

/** An input of the SDK as policies see it. */
export function requestOf(
  operation: OperationName,
  input: EndpointInput,
  transport: Transport,
  describe?: Describe,
): ModelRequest {
  const modelId = modelIdOf(input)
  // Whatever else is there is the SDK's to refuse.
  const body: unknown = input.Body
  const readable = typeof body === 'string' || body instanceof Uint8Array ? body : ''
  const { maxTokens, temperature } = declaredIn(readable)
  const described = { inputBytes: Buffer.byteLength(readable), maxTokens, ...describe?.(input) }
  return {
    provider: 'sagemaker',
    modelId,
    baseModelId: modelId,
    operation,
    streaming: operation !== 'InvokeEndpoint',
    ...described,
    estimatedInputTokens: estimateInputTokens(modelId, described.inputBytes),
    temperature,
    payload: input,
    transport,
  }
}

/** `endpoint`, or `endpoint/component`; of an endpoint with many models `endpoint/model.tar.gz`. */
export function modelIdOf(input: Omit<EndpointInput, 'Body'>): string {
  const { EndpointName = '', InferenceComponentName } = input
  const { TargetModel } = input as InvokeEndpointCommandInput
  const within = InferenceComponentName ?? TargetModel
  return within === undefined ? EndpointName : `${EndpointName}/${within}`
}

/** The same request for another endpoint, or for another inference component: the body has to be in its language. */
export function inputFor(input: EndpointInput, modelId: string): EndpointInput {
  const [EndpointName = '', InferenceComponentName] = modelId.split('/')
  // What belongs to the endpoint stays with it.
  const own = { ...input } as InvokeEndpointCommandInput
  for (const field of ['TargetModel', 'TargetVariant', 'TargetContainerHostname', 'SessionId'] as const)
    delete own[field]
  delete own.InferenceComponentName
  return { ...own, EndpointName, ...(InferenceComponentName !== undefined && { InferenceComponentName }) }
}

/** A whole answer of a container that is not known, looked into for what most of them tell. */
export function sentWhole(output: InvokeEndpointCommandOutput): Sent {
  const body = output.Body ?? new Uint8Array()
  const ends = endsOf(body)
  const count = (name: string) => {
    const found = new RegExp(`"${name}"\\s*:\\s*(\\d{1,9})`).exec(ends)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const [promptTokens, completionTokens, cachedTokens] = [
    'prompt_tokens',
    'completion_tokens',
    'cached_tokens',
  ].map(count)
  const usage =
    promptTokens === undefined || completionTokens === undefined
      ? undefined
      : chatUsage({
          prompt_tokens: promptTokens,
          completion_tokens: completionTokens,
          prompt_tokens_details: { cached_tokens: cachedTokens ?? 0 },
        })
  return {
    output,
    usage,
    outputBytes: body.byteLength,
    stopReason: stopReasonOf(/"finish_reason"\s*:\s*"(\w{1,40})"/.exec(ends)?.[1]),
  }
}

/** A streamed answer of a container that is not known: its events stay the SDK's own. */
export function sentStream(output: InvokeEndpointWithResponseStreamCommandOutput): Sent {
  const { Body } = output
  return Body ? { output, ...streamWatcher(Body) } : { output }
}
