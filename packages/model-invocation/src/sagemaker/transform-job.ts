/** Batch Transform: a model over all objects of a folder, without an endpoint that waits. */

import {
  CreateTransformJobCommand,
  DescribeTransformJobCommand,
  type DescribeTransformJobCommandOutput,
  type SageMakerClient,
  type TransformInstanceType,
} from '@aws-sdk/client-sagemaker'
import { SluiceError } from '@sluice/core'
import { hasEnded } from '../batch/job-event.ts'
import { checkJobName, tagsOf } from '../batch/job-name.ts'
import { poll, type WaitOptions } from '../batch/poll.ts'
import { s3Folder, s3Location, s3Uri } from '../batch/s3.ts'
import { toSluiceError } from './errors.ts'

export interface TransformJobOptions {
  readonly client: SageMakerClient
  /** The same name is the same job; `jobName()` makes one of what the work is. */
  readonly jobName: string
  /** The model of SageMaker that runs. */
  readonly modelName: string
  /** All objects under a prefix, or those that a manifest names; both as `s3://` URIs. */
  readonly input: { readonly prefix: string } | { readonly manifest: string }
  /** The folder for the results, as an `s3://` URI. Each object gets one of its name and `.out`. */
  readonly output: string
  /** @default 'application/jsonlines' */
  readonly contentType?: string
  /** @default the content type */
  readonly accept?: string
  /** Whether objects are sent whole, or a record is a line. @default 'Line' */
  readonly split?: 'None' | 'Line'
  /** Whether a request carries as many lines as fit, or one. @default 'MultiRecord' */
  readonly strategy?: 'MultiRecord' | 'SingleRecord'
  /** Megabytes in one request. @default 6 */
  readonly maxPayloadMb?: number
  /** Requests at once to one instance. @default what the container says, else 1 */
  readonly maxConcurrentTransforms?: number
  /** Whether each result stands beside its input: as `SageMakerOutput` in lines of JSON. @default false */
  readonly joinInput?: boolean
  /** Such as `ml.g5.xlarge`. */
  readonly instanceType: string
  /** @default 1 */
  readonly instanceCount?: number
  /** Seconds that the container may take for a request, at most 3600. @default 600 */
  readonly invocationTimeoutSeconds?: number
  /** Further attempts of a request. @default 3 */
  readonly invocationRetries?: number
  /** Variables of the container, at most 16. */
  readonly environment?: Readonly<Record<string, string>>
  readonly tags?: Readonly<Record<string, string>>
  /** Encrypts the results. */
  readonly kmsKeyId?: string
  readonly signal?: AbortSignal | undefined
}

export interface TransformJob {
  readonly jobName: string
  /** False when a job of this name was there already, doing this work. */
  readonly created: boolean
}

/**
 * Starts a job of Batch Transform, or finds the one that was started under this name.
 *
 * @throws TypeError when an option cannot be right; SluiceError with the code `invalid_request` when a job of this name
 * does other work; ModelError, ModelThrottledError, TransportError
 *
 * @example
 * ```ts
 * import { SageMakerClient } from '@aws-sdk/client-sagemaker'
 * import { jobName, submitTransformJob } from '@sluice/model-invocation/sagemaker-batch'
 *
 * const client = new SageMakerClient({})
 *
 * export const handler = async ({ time }: { time: string }) =>
 *   submitTransformJob({
 *     client,
 *     jobName: jobName('tickets', time),
 *     modelName: 'ticket-classifier',
 *     input: { prefix: `s3://my-bucket/tickets/${time.slice(0, 10)}/` },
 *     output: 's3://my-bucket/labels/',
 *     instanceType: 'ml.m5.xlarge',
 *     tags: { project: 'support' },
 *   })
 * ```
 */
export async function submitTransformJob(options: TransformJobOptions): Promise<TransformJob> {
  const { client, jobName, signal } = options
  const command = new CreateTransformJobCommand(requestOf(options))
  const sending = signal ? { abortSignal: signal } : {}
  try {
    await client.send(command, sending)
    return { jobName, created: true }
  } catch (error) {
    if ((error as Error).name !== 'ResourceInUse') throw toSluiceError(error)
    const there = await client.send(new DescribeTransformJobCommand({ TransformJobName: jobName }), sending)
    const same =
      there.ModelName === command.input.ModelName &&
      there.TransformOutput?.S3OutputPath === command.input.TransformOutput?.S3OutputPath &&
      sourceOf(there) === sourceOf(command.input)
    if (same) return { jobName, created: false }
    throw new SluiceError(
      `There is a job named ${jobName} that does other work. Give this one another name.`,
      {
        code: 'invalid_request',
        statusCode: 409,
        cause: error,
      },
    )
  }
}

function requestOf(options: TransformJobOptions): CreateTransformJobCommand['input'] {
  const {
    input,
    output,
    contentType = 'application/jsonlines',
    accept = contentType,
    split = 'Line',
  } = options
  const { jobName, modelName, instanceType, instanceCount = 1, kmsKeyId, tags, environment } = options
  const { maxPayloadMb, maxConcurrentTransforms, invocationTimeoutSeconds, invocationRetries } = options
  checkJobName('submitTransformJob', jobName)
  const [type, uri, option] =
    'manifest' in input
      ? (['ManifestFile', input.manifest, 'input.manifest'] as const)
      : (['S3Prefix', input.prefix, 'input.prefix'] as const)
  const source = s3Location(`submitTransformJob: ${option}`, uri)
  const target = s3Folder('submitTransformJob: output', output)
  // The job would read what it, or the one before it, has written.
  if (type === 'S3Prefix' && source.Bucket === target.Bucket && target.Key.startsWith(source.Key)) {
    throw new TypeError(
      `submitTransformJob: output lies within input.prefix: ${output}. Give a folder beside it.`,
    )
  }
  return {
    TransformJobName: jobName,
    ModelName: modelName,
    BatchStrategy: options.strategy ?? (split === 'Line' ? 'MultiRecord' : 'SingleRecord'),
    ...(maxPayloadMb !== undefined && { MaxPayloadInMB: maxPayloadMb }),
    ...(maxConcurrentTransforms !== undefined && { MaxConcurrentTransforms: maxConcurrentTransforms }),
    ...((invocationTimeoutSeconds !== undefined || invocationRetries !== undefined) && {
      ModelClientConfig: {
        InvocationsTimeoutInSeconds: invocationTimeoutSeconds,
        InvocationsMaxRetries: invocationRetries,
      },
    }),
    TransformInput: {
      DataSource: { S3DataSource: { S3DataType: type, S3Uri: uri } },
      ContentType: contentType,
      SplitType: split,
    },
    TransformOutput: {
      S3OutputPath: s3Uri(target),
      Accept: accept,
      AssembleWith: split,
      ...(kmsKeyId !== undefined && { KmsKeyId: kmsKeyId }),
    },
    // The name is checked by the service, which knows newer instances than any list here.
    TransformResources: { InstanceType: instanceType as TransformInstanceType, InstanceCount: instanceCount },
    ...(options.joinInput && { DataProcessing: { JoinSource: 'Input' } }),
    ...(environment && { Environment: environment }),
    ...(tags && { Tags: tagsOf(tags, (Key, Value) => ({ Key, Value })) }),
  }
}

function sourceOf({ TransformInput }: Pick<DescribeTransformJobCommandOutput, 'TransformInput'>): string {
  return JSON.stringify(TransformInput?.DataSource?.S3DataSource ?? null, ['S3DataType', 'S3Uri'])
}

/** How a job ended. */
export interface TransformEnding {
  readonly jobName: string
  readonly status: string
  readonly modelName: string
  /** Where the input came from, and where the results are, as `s3://` URIs; empty where the event does not tell. */
  readonly input: string
  readonly output: string
  /** Undefined when it did not fail. */
  readonly failureReason: string | undefined
}

/**
 * Waits for the end of a job, as long as the invocation lasts: for scripts and tests. A pipeline is told by
 * `transformJobHandler()`.
 *
 * @throws SluiceError with the code `deadline_exceeded`; ModelError, ModelThrottledError, TransportError
 */
export function awaitTransformJob(
  jobName: string,
  { client, ...options }: { readonly client: SageMakerClient } & WaitOptions,
): Promise<TransformEnding> {
  const command = new DescribeTransformJobCommand({ TransformJobName: jobName })
  return poll(
    `The job ${jobName}`,
    async (abortSignal) => {
      try {
        const job = await client.send(command, { abortSignal })
        if (!hasEnded(job.TransformJobStatus)) return undefined
        return {
          jobName,
          status: job.TransformJobStatus ?? '',
          modelName: job.ModelName ?? '',
          input: job.TransformInput?.DataSource?.S3DataSource?.S3Uri ?? '',
          output: job.TransformOutput?.S3OutputPath ?? '',
          failureReason: job.FailureReason,
        }
      } catch (error) {
        throw toSluiceError(error)
      }
    },
    options,
  )
}

/**
 * A manifest for `input`: the objects under a common prefix, by the rest of their keys.
 *
 * @throws TypeError when the prefix is no `s3://` URI
 */
export function transformManifest(prefix: string, names: readonly string[]): string {
  s3Location('transformManifest: prefix', prefix)
  return JSON.stringify([{ prefix }, ...names])
}
