/** Guards on a Bedrock client that its user keeps. */

import type {
  BedrockRuntimeClient,
  InvokeModelCommandInput,
  InvokeModelWithResponseStreamCommandInput,
} from '@aws-sdk/client-bedrock-runtime'
import type { Scope } from '@sluice/core'
import { type GuardClientOptions, type GuardedOperation, guardClient } from '../sdk/guard-client.ts'
import { converse, converseStream } from './converse.ts'
import { toSluiceError } from './errors.ts'
import { invokeModel, invokeModelStream } from './invoke-model.ts'
import { type Operation, requestOf, sentOf, toModel } from './operation.ts'
import { requestMetadataOf } from './request-metadata.ts'

export interface GuardedOptions extends GuardClientOptions {
  /**
   * Describes bodies of InvokeModel whose family is not known here: what they declare as the most output tokens, and the
   * size of their prompt in bytes, for quotas and estimates. What it leaves out is found in the body where it can be.
   */
  readonly describe?: (
    input: InvokeModelCommandInput | InvokeModelWithResponseStreamCommandInput,
  ) => { readonly maxTokens?: number; readonly inputBytes?: number } | undefined
}

/**
 * Puts the policies of the running invocation around every Converse, ConverseStream, InvokeModel and
 * InvokeModelWithResponseStream of a client, and reuses its sessions. The client is changed in place and returned;
 * guarding it twice is guarding it once. Outputs and events stay the SDK's own; a stream that ends early throws
 * `StreamInterruptedError` instead of ending politely.
 *
 * @example
 * ```ts
 * import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
 * import middy from '@middy/core'
 * import { retry } from '@sluice/model-invocation'
 * import { guarded } from '@sluice/model-invocation/bedrock'
 *
 * const client = guarded(new BedrockRuntimeClient({}))
 *
 * export const handler = middy<{ text: string }>()
 *   .use(retry())
 *   .handler(async (event) => {
 *     const { output } = await client.send(
 *       new ConverseCommand({
 *         modelId: 'eu.amazon.nova-lite-v1:0',
 *         messages: [{ role: 'user', content: [{ text: event.text }] }],
 *         inferenceConfig: { maxTokens: 300 },
 *       }),
 *     )
 *     return output?.message?.content?.[0]?.text
 *   })
 * ```
 */
export function guarded<Client extends BedrockRuntimeClient>(
  client: Client,
  { describe, ...options }: GuardedOptions = {},
): Client {
  const described = (operation: Operation): Operation =>
    describe
      ? { ...operation, describe: (input) => ({ ...operation.describe(input), ...describe(input) }) }
      : operation
  const operations = {
    ConverseCommand: toGuard(converse),
    ConverseStreamCommand: toGuard(converseStream),
    InvokeModelCommand: toGuard(described(invokeModel)),
    InvokeModelWithResponseStreamCommand: toGuard(described(invokeModelStream)),
  }
  return guardClient(client, { operations, toError: toSluiceError }, options)
}

function toGuard(operation: Operation): GuardedOperation {
  return {
    events: operation.events,
    request: (input, transport) => requestOf(operation, input, transport),
    withModel: toModel(operation),
    withMaxTokens: operation.withMaxTokens,
    input: (input, scope) => withMetadata(operation, input, scope),
    sent: (output, headers) => sentOf(operation, output, headers),
  }
}

/** Says whose call it is. Where the caller has said so himself in JSON, that is left alone. */
function withMetadata({ name }: Operation, input: object, scope: Scope): object {
  const { requestMetadata: own } = input as { readonly requestMetadata?: Record<string, string> | string }
  if (typeof own === 'string') return input
  const metadata = requestMetadataOf(scope, own)
  if (!metadata) return input
  const inBody = name === 'Converse' || name === 'ConverseStream'
  return { ...input, requestMetadata: inBody ? metadata : JSON.stringify(metadata) }
}
