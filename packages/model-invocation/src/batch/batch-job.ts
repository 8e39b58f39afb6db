/** Batch inference of Bedrock: many records at half the price, some time within a day. */

import {
  type BedrockClient,
  CreateModelInvocationJobCommand,
  GetModelInvocationJobCommand,
  ListModelInvocationJobsCommand,
} from '@aws-sdk/client-bedrock'
import type { S3Client } from '@aws-sdk/client-s3'
import { SluiceError } from '@sluice/core'
import { toSluiceError } from '../bedrock/errors.ts'
import { type BedrockPrompt, converseInputOf } from '../bedrock/prompt.ts'
import { hasEnded } from './job-event.ts'
import { checkJobName, tagsOf } from './job-name.ts'
import { poll, type WaitOptions } from './poll.ts'
import { s3Folder, s3Uri, writeObject } from './s3.ts'

/** One record: a prompt as for `bedrock()`, or a body of InvokeModel. */
export interface BatchRecord<Input = BedrockPrompt> {
  /** By which its result is found; once in a job. */
  readonly recordId: string
  readonly modelInput: Input
}

export interface BatchJobOptions<Input = BedrockPrompt> {
  readonly client: BedrockClient
  readonly s3: S3Client
  /** The same name is the same job; `jobName()` makes one of what the work is. */
  readonly jobName: string
  /** A model id or an inference profile that batch inference knows. */
  readonly modelId: string
  /** The role with which Bedrock reads and writes the bucket. */
  readonly roleArn: string
  /** Read once, and sent on as they come. */
  readonly records: Iterable<BatchRecord<Input>> | AsyncIterable<BatchRecord<Input>>
  /** The folder for the records, as an `s3://` URI; the job gets a file of its name there. */
  readonly input: string
  /** The folder for the results, as an `s3://` URI; the job gets a folder of its id there. */
  readonly output: string
  /** Whether records are requests of Converse or bodies of InvokeModel. @default 'Converse' */
  readonly kind?: 'Converse' | 'InvokeModel'
  /** Records that a job needs. It is a quota of the model. @default 100 */
  readonly minimumRecords?: number
  /** Records that a job may have. It is a quota of the model. @default 50_000 */
  readonly maximumRecords?: number
  /** Hours after which the job is over, done or not: 24 to 168. @default 24 */
  readonly timeoutHours?: number
  readonly tags?: Readonly<Record<string, string>>
  /** Encrypts the results. */
  readonly kmsKeyId?: string
  readonly signal?: AbortSignal | undefined
}

export interface BatchJob {
  readonly jobName: string
  readonly jobArn: string
  /** Records that were sent. */
  readonly records: number
}

/**
 * Writes the records into the bucket and starts a job over them, or finds the one that was started under this name. The
 * calls are those of no model that answers: policies see nothing of them, and the clients' own retries hold.
 *
 * @throws TypeError when an option cannot be right; SluiceError with the code `invalid_request` when there are too few
 * records or too many, when a record has no id or that of another; ModelError, ModelThrottledError, TransportError
 *
 * @example
 * ```ts
 * import { BedrockClient } from '@aws-sdk/client-bedrock'
 * import { S3Client } from '@aws-sdk/client-s3'
 * import { jobName, submitBatchJob } from '@sluice/model-invocation/bedrock-batch'
 *
 * const [client, s3] = [new BedrockClient({}), new S3Client({})]
 *
 * export const handler = async ({ day, texts }: { day: string; texts: string[] }) =>
 *   submitBatchJob({
 *     client,
 *     s3,
 *     jobName: jobName('tickets', day),
 *     modelId: 'eu.amazon.nova-lite-v1:0',
 *     roleArn: process.env.BATCH_ROLE_ARN ?? '',
 *     records: texts.map((text, index) => ({
 *       recordId: `ticket-${index}`,
 *       modelInput: {
 *         messages: [{ role: 'user', content: [{ text: `Classify: ${text}` }] }],
 *         inferenceConfig: { maxTokens: 10 },
 *       },
 *     })),
 *     input: 's3://my-bucket/records/',
 *     output: 's3://my-bucket/results/',
 *   })
 * ```
 */
export async function submitBatchJob<Input = BedrockPrompt>(
  options: BatchJobOptions<Input>,
): Promise<BatchJob> {
  const {
    client,
    s3,
    jobName,
    modelId,
    roleArn,
    kind = 'Converse',
    signal,
    kmsKeyId,
    tags,
    timeoutHours,
  } = options
  checkJobName('submitBatchJob', jobName)
  const { Bucket, Key: folder } = s3Folder('submitBatchJob: input', options.input)
  const output = s3Uri(s3Folder('submitBatchJob: output', options.output))
  const location = { Bucket, Key: `${folder}${jobName}.jsonl` }
  const sending = signal ? { abortSignal: signal } : {}
  let records = 0

  async function* lines(): AsyncGenerator<string> {
    for await (const line of checkedLines(options)) {
      records++
      yield line
    }
  }

  await writeObject(s3, location, lines(), { ContentType: 'application/jsonl', signal })
  try {
    const { jobArn } = await client.send(
      new CreateModelInvocationJobCommand({
        jobName,
        modelId,
        roleArn,
        // By it a second submission is answered as the first was.
        clientRequestToken: jobName,
        modelInvocationType: kind,
        inputDataConfig: { s3InputDataConfig: { s3Uri: s3Uri(location), s3InputFormat: 'JSONL' } },
        outputDataConfig: {
          s3OutputDataConfig: {
            s3Uri: output,
            ...(kmsKeyId !== undefined && { s3EncryptionKeyId: kmsKeyId }),
          },
        },
        ...(timeoutHours !== undefined && { timeoutDurationInHours: timeoutHours }),
        ...(tags && { tags: tagsOf(tags, (key, value) => ({ key, value })) }),
      }),
      sending,
    )
    // A request that is ignored, because its token is known, need not be told what the first one was.
    return { jobName, jobArn: jobArn ?? (await arnOf(client, jobName, modelId, sending)) ?? '', records }
  } catch (error) {
    if ((error as Error).name !== 'ConflictException') throw toSluiceError(error)
    // The token is forgotten earlier than the job.
    const jobArn = await arnOf(client, jobName, modelId, sending)
    if (jobArn === undefined) throw toSluiceError(error)
    return { jobName, jobArn, records }
  }
}

async function* checkedLines<Input>({
  records,
  minimumRecords = 100,
  maximumRecords = 50_000,
  kind = 'Converse',
}: BatchJobOptions<Input>): AsyncGenerator<string> {
  const ids = new Set<string>()
  for await (const { recordId, modelInput } of records) {
    if (typeof recordId !== 'string' || recordId === '') refuse(`Record ${ids.size} has no recordId.`)
    if (ids.has(recordId)) refuse(`Two records have the id ${JSON.stringify(recordId)}.`)
    if (ids.size === maximumRecords) {
      refuse(
        `There are more than ${maximumRecords} records. Make several jobs, or raise the quota and maximumRecords.`,
      )
    }
    ids.add(recordId)
    const asked = kind === 'Converse' ? converseInputOf(modelInput as BedrockPrompt) : modelInput
    yield `${JSON.stringify({ recordId, modelInput: asked }, bytesAsText)}\n`
  }
  if (ids.size < minimumRecords) {
    refuse(
      `A job needs at least ${minimumRecords} records, and there are ${ids.size}. Ask the model directly.`,
    )
  }
}

/** Images and documents, as they are in requests: a buffer would write itself as a list of numbers. */
function bytesAsText(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const own = this[key]
  return own instanceof Uint8Array ? Buffer.from(own).toString('base64') : value
}

function refuse(message: string): never {
  throw new SluiceError(message, { code: 'invalid_request', statusCode: 400, unbilled: true })
}

async function arnOf(
  client: BedrockClient,
  jobName: string,
  modelId: string,
  sending: { abortSignal?: AbortSignal },
): Promise<string | undefined> {
  const { invocationJobSummaries = [] } = await client.send(
    new ListModelInvocationJobsCommand({ nameContains: jobName }),
    sending,
  )
  const there = invocationJobSummaries.find((job) => job.jobName === jobName)
  if (there && there.modelId !== modelId) {
    refuse(`There is a job named ${jobName} for another model. Give this one another name.`)
  }
  return there?.jobArn
}

/** How a job ended. */
export interface BatchEnding {
  readonly jobName: string
  readonly jobArn: string
  readonly modelId: string
  readonly status: string
  /** Undefined when it did not fail. */
  readonly failureReason: string | undefined
}

/**
 * Waits for the end of a job, as long as the invocation lasts: for scripts and tests. A pipeline is told by
 * `batchJobHandler()`.
 *
 * @throws SluiceError with the code `deadline_exceeded`; ModelError, ModelThrottledError, TransportError
 */
export function awaitBatchJob(
  jobArn: string,
  { client, ...options }: { readonly client: BedrockClient } & WaitOptions,
): Promise<BatchEnding> {
  return poll(
    `The job ${jobArn}`,
    async (abortSignal) => {
      try {
        const job = await client.send(new GetModelInvocationJobCommand({ jobIdentifier: jobArn }), {
          abortSignal,
        })
        if (!hasEnded(job.status)) return undefined
        return {
          jobName: job.jobName ?? '',
          jobArn,
          modelId: job.modelId ?? '',
          status: job.status ?? '',
          failureReason: job.message || undefined,
        }
      } catch (error) {
        throw toSluiceError(error)
      }
    },
    options,
  )
}
