/** Asynchronous inference: asked now, answered into a bucket, picked up by event or by looking. */

import { randomUUID } from 'node:crypto'
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { InvokeEndpointAsyncCommand, type SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime'
import { InvalidEventError, ModelError, SluiceError } from '@sluice/core'
import { poll, type WaitOptions } from '../batch/poll.ts'
import { s3Folder, s3Location, s3Uri, textOf } from '../batch/s3.ts'
import { toSluiceError } from './errors.ts'

/** Where an answer will be. Plain data: put it into a queue, a table, or the state of a state machine. */
export interface AsyncInference {
  readonly inferenceId: string
  /** An `s3://` URI. */
  readonly outputLocation: string
  /** Where the reason will be when there is no answer; undefined where the endpoint has no such place. */
  readonly failureLocation: string | undefined
}

export interface SubmitInferenceOptions {
  readonly client: SageMakerRuntimeClient
  /** For what is longer than 128,000 bytes: a client of S3 and a folder such as `s3://bucket/requests/`. */
  readonly s3?: S3Client
  readonly inputFolder?: string
  /** Goes with the answer. The object of a longer request is named by it, so that sending it again replaces it. Default: a new one. */
  readonly inferenceId?: string
  /** @default 'application/json' */
  readonly contentType?: string
  readonly accept?: string
  /** Seconds in the queue of the endpoint, after which it is given up. @default 21600 */
  readonly requestTtlSeconds?: number
  /** Seconds that the container may take, at most 3600. @default 900 */
  readonly invocationTimeoutSeconds?: number
  /** Passed on to the container as it is. */
  readonly customAttributes?: string
  readonly signal?: AbortSignal | undefined
}

const maxInlineBytes = 128_000

/**
 * Asks an asynchronous endpoint. What is longer than 128,000 bytes goes by way of S3. The calls are not those of a model
 * that answers: policies see nothing of them, and the client's own retries hold.
 *
 * @param input the body, or the place of one that is in S3 already
 * @throws SluiceError with the code `payload_too_large` when it is longer and no bucket is given; ModelError,
 * ModelThrottledError, TransportError
 *
 * @example
 * ```ts
 * import { S3Client } from '@aws-sdk/client-s3'
 * import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime'
 * import { submitInference } from '@sluice/model-invocation/sagemaker-async'
 *
 * const client = new SageMakerRuntimeClient({})
 * const s3 = new S3Client({})
 *
 * export const handler = async ({ text }: { text: string }) =>
 *   submitInference('summaries', JSON.stringify({ inputs: text }), {
 *     client,
 *     s3,
 *     inputFolder: 's3://my-bucket/requests/',
 *   })
 * ```
 */
export async function submitInference(
  endpointName: string,
  input: string | Uint8Array | { readonly location: string },
  options: SubmitInferenceOptions,
): Promise<AsyncInference> {
  const { client, inferenceId = randomUUID(), contentType = 'application/json', accept, signal } = options
  const sending = signal ? { abortSignal: signal } : {}
  const { customAttributes, requestTtlSeconds, invocationTimeoutSeconds } = options
  const body = await placed(input, inferenceId, contentType, options)
  try {
    const output = await client.send(
      new InvokeEndpointAsyncCommand({
        EndpointName: endpointName,
        ContentType: contentType,
        InferenceId: inferenceId,
        ...(accept !== undefined && { Accept: accept }),
        ...(customAttributes !== undefined && { CustomAttributes: customAttributes }),
        ...(requestTtlSeconds !== undefined && { RequestTTLSeconds: requestTtlSeconds }),
        ...(invocationTimeoutSeconds !== undefined && { InvocationTimeoutSeconds: invocationTimeoutSeconds }),
        ...body,
      }),
      sending,
    )
    const { OutputLocation = '', FailureLocation: failureLocation } = output
    return { inferenceId: output.InferenceId ?? inferenceId, outputLocation: OutputLocation, failureLocation }
  } catch (error) {
    throw toSluiceError(error)
  }
}

async function placed(
  input: string | Uint8Array | { readonly location: string },
  inferenceId: string,
  ContentType: string,
  { s3, inputFolder, signal }: SubmitInferenceOptions,
): Promise<{ InputLocation: string } | { Body: Uint8Array }> {
  if (typeof input === 'object' && 'location' in input) {
    s3Location('submitInference: input.location', input.location)
    return { InputLocation: input.location }
  }
  const Body = Buffer.from(input)
  if (Body.length <= maxInlineBytes) return { Body }
  if (!s3 || inputFolder === undefined) {
    throw new SluiceError(
      `The request has ${Body.length} bytes, and ${maxInlineBytes} can be sent directly. Give s3 and inputFolder.`,
      { code: 'payload_too_large', statusCode: 413, unbilled: true },
    )
  }
  const { Bucket, Key: folder } = s3Folder('submitInference: inputFolder', inputFolder)
  const location = { Bucket, Key: `${folder}${inferenceId}` }
  await s3.send(
    new PutObjectCommand({ ...location, Body, ContentType }),
    signal ? { abortSignal: signal } : {},
  )
  return { InputLocation: s3Uri(location) }
}

export interface ReadInferenceOptions {
  /** It needs `s3:GetObject`, and `s3:ListBucket`: without that, S3 says "forbidden" of what is not there yet. */
  readonly s3: S3Client
  readonly signal?: AbortSignal | undefined
}

/**
 * The body of an answer, or undefined while there is none.
 *
 * @throws ModelError with the code `model_failed` when the container failed
 */
export async function readInference(
  { outputLocation, failureLocation }: Omit<AsyncInference, 'inferenceId'>,
  { s3, signal }: ReadInferenceOptions,
): Promise<string | undefined> {
  const body = await textOf(s3, s3Location('readInference: outputLocation', outputLocation), { signal })
  if (body !== undefined || failureLocation === undefined) return body
  const reason = await textOf(s3, s3Location('readInference: failureLocation', failureLocation), { signal })
  if (reason === undefined) return undefined
  throw new ModelError('The container failed on this request; S3 has its reason at the failure location.', {
    code: 'model_failed',
    statusCode: 502,
    // It may quote the prompt.
    cause: new Error(reason),
  })
}

/**
 * Waits for the body of an answer, as long as the invocation lasts.
 *
 * @throws as `readInference`, and a SluiceError with the code `deadline_exceeded`
 */
export function awaitInference(
  inference: AsyncInference,
  { s3, ...options }: ReadInferenceOptions & WaitOptions,
): Promise<string> {
  return poll('The inference', (signal) => readInference(inference, { s3, signal }), options)
}

/** What a notification says of an asynchronous inference. */
export interface InferenceEnding {
  readonly inferenceId: string
  readonly endpointName: string
  readonly status: 'completed' | 'failed'
  /** Undefined when it failed. */
  readonly outputLocation: string | undefined
  /** Undefined also where SageMaker does not tell it; `submitInference()` always does, if there is such a place. */
  readonly failureLocation: string | undefined
  /** In words of SageMaker, which may quote the container. Undefined when it did not fail. */
  readonly failureReason: string | undefined
  /** As they were submitted. */
  readonly customAttributes: string | undefined
}

/**
 * The inferences that an event of SNS tells of; several topics may be in one.
 *
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
 * @throws InvalidEventError when it is no such event
 */
export function inferenceEndings(event: unknown): InferenceEnding[] {
  const records = (event as { readonly Records?: unknown } | null)?.Records
  if (!Array.isArray(records)) {
    throw new InvalidEventError(
      'The event is none of SNS. Subscribe the function to the topics of the endpoint.',
    )
  }
  return records.map((record: { readonly Sns?: { readonly Message?: unknown } } | null, index) =>
    endingOf(record?.Sns?.Message, index),
  )
}

interface Notification {
  readonly inferenceId?: unknown
  readonly invocationStatus?: unknown
  readonly failureReason?: unknown
  readonly requestParameters?: { readonly endpointName?: unknown; readonly customAttributes?: unknown } | null
  readonly responseParameters?: {
    readonly outputLocation?: unknown
    readonly failureLocation?: unknown
  } | null
}

function endingOf(message: unknown, index: number): InferenceEnding {
  let told: Notification | undefined
  try {
    told = JSON.parse(String(message)) as Notification
  } catch {
    // Said below; the parser quotes the message.
  }
  const { inferenceId, invocationStatus, failureReason, requestParameters, responseParameters } = told ?? {}
  if (typeof inferenceId !== 'string' || !/^(?:Completed|Failed)$/.test(String(invocationStatus))) {
    throw new InvalidEventError(`Records.${index} is no notification of asynchronous inference.`)
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return {
    inferenceId,
    endpointName: text(requestParameters?.endpointName) ?? '',
    status: invocationStatus === 'Completed' ? 'completed' : 'failed',
    outputLocation: text(responseParameters?.outputLocation),
    failureLocation: text(responseParameters?.failureLocation),
    failureReason: text(failureReason),
    customAttributes: text(requestParameters?.customAttributes),
  }
}
