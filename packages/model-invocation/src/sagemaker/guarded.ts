/** Guards on a client of the SageMaker runtime that its user keeps. */

import type {
  InvokeEndpointCommandOutput,
  InvokeEndpointWithResponseStreamCommandOutput,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import type { Sent } from '@sluice/core'
import { type GuardClientOptions, type GuardedOperation, guardClient } from '../sdk/guard-client.ts'
import { toSluiceError } from './errors.ts'
import {
  type Describe,
  type EndpointInput,
  inputFor,
  type OperationName,
  requestOf,
  sentStream,
  sentWhole,
} from './operation.ts'

export interface GuardedOptions extends GuardClientOptions {
  /**
   * Describes bodies: what they declare as the most output tokens, and the size of their prompt in bytes. What it leaves
   * out is found in the body where it can be.
   */
  readonly describe?: Describe
}

/**
 * Puts the policies of the running invocation around every InvokeEndpoint and InvokeEndpointWithResponseStream of a
 * client. The client is changed in place and returned; guarding it twice is guarding it once. Outputs and events stay
 * the SDK's own; the stream of a language model that ends early throws `StreamInterruptedError` instead of ending
 * politely.
 *
 * @example
 * ```ts
 * import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime'
 * import middy from '@middy/core'
 * import { retry } from '@sluice/model-invocation'
 * import { guarded } from '@sluice/model-invocation/sagemaker'
 *
 * const client = guarded(new SageMakerRuntimeClient({}))
 *
 * export const handler = middy<{ features: number[] }>()
 *   .use(retry())
 *   .handler(async ({ features }) => {
 *     const { Body } = await client.send(
 *       new InvokeEndpointCommand({
 *         EndpointName: 'churn',
 *         ContentType: 'text/csv',
 *         Body: Buffer.from(features.join(',')),
 *       }),
 *     )
 *     return Number(Body.transformToString())
 *   })
 * ```
 */
export function guarded<Client extends SageMakerRuntimeClient>(
  client: Client,
  { describe, ...options }: GuardedOptions = {},
): Client {
  const operations = {
    InvokeEndpointCommand: operation('InvokeEndpoint', describe, (output) =>
      sentWhole(output as InvokeEndpointCommandOutput),
    ),
    InvokeEndpointWithResponseStreamCommand: operation(
      'InvokeEndpointWithResponseStream',
      describe,
      (output) => sentStream(output as InvokeEndpointWithResponseStreamCommandOutput),
    ),
  }
  return guardClient(client, { operations, toError: toSluiceError }, options)
}

function operation(
  name: OperationName,
  describe: Describe | undefined,
  sent: (output: object) => Sent,
): GuardedOperation {
  return {
    events: name === 'InvokeEndpoint' ? undefined : 'Body',
    request: (input, transport) => requestOf(name, input as EndpointInput, transport, describe),
    withModel: ({ payload, transport }, modelId) =>
      requestOf(name, inputFor(payload as EndpointInput, modelId), transport, describe),
    sent,
  }
}
