/** What a batch job of Bedrock wrote, record by record, and the event that tells that it has. */

import { type BedrockClient, GetModelInvocationJobCommand } from '@aws-sdk/client-bedrock'
import type { ConverseResponse } from '@aws-sdk/client-bedrock-runtime'
import type { S3Client } from '@aws-sdk/client-s3'
import { ModelError, SluiceError, type Usage } from '@sluice/core'
import { toSluiceError } from '../bedrock/errors.ts'
import { answerOf, type BedrockAnswer } from '../bedrock/model-stream.ts'
import type { BatchEnding } from './batch-job.ts'
import { type JobHandlerOptions, jobHandler, optionalText, textIn } from './job-event.ts'
import { outputUsage } from './output-usage.ts'
import { keysUnder, linesOf, parseLine, s3Folder } from './s3.ts'

/** What became of one record. */
export type BatchResult = AnsweredRecord | FailedRecord

/** A record with an answer. */
export interface AnsweredRecord {
  readonly status: 'fulfilled'
  readonly recordId: string
  /** As the model gave it: a response of Converse, or a body of InvokeModel. */
  readonly output: unknown
  /** Of a job of the kind Converse; of another kind undefined. */
  readonly answer: BedrockAnswer | undefined
  /** For the price of the record, which is that of batches. Undefined where the model does not tell it. */
  readonly usage: Usage | undefined
}

/** A record without one. */
export interface FailedRecord {
  readonly status: 'failed'
  readonly recordId: string
  /** `retryable` tells whether the record may have an answer in another job. */
  readonly error: SluiceError
}

export interface ReadBatchJobOptions {
  readonly client: BedrockClient
  readonly s3: S3Client
  /**
   * The ids that were submitted. Each that has no result comes last, as one that failed; results of others are left out.
   *
   * @default whatever is there
   */
  readonly expected?: Iterable<string>
  readonly signal?: AbortSignal | undefined
}

interface OutputLine {
  readonly recordId?: string
  readonly modelOutput?: unknown
  readonly error?: { readonly errorCode?: number; readonly errorMessage?: string }
}

/**
 * Reads the results of a job, in the order in which the service wrote them, which is not that of the records. A record
 * comes once, even where the service wrote it twice.
 *
 * @throws SluiceError with the code `unexpected` for a line that is not JSON; ModelError, TransportError
 *
 * @example
 * ```ts
 * import { BedrockClient } from '@aws-sdk/client-bedrock'
 * import { S3Client } from '@aws-sdk/client-s3'
 * import { batchJobHandler, readBatchJob } from '@sluice/model-invocation/bedrock-batch'
 *
 * const [client, s3] = [new BedrockClient({}), new S3Client({})]
 *
 * export const handler = batchJobHandler({
 *   async completed({ jobArn }) {
 *     for await (const result of readBatchJob(jobArn, { client, s3 })) {
 *       if (result.status === 'fulfilled') console.log(result.recordId, result.answer?.text)
 *       else console.log(result.recordId, result.error.code)
 *     }
 *   },
 * })
 * ```
 */
export async function* readBatchJob(
  jobArn: string,
  { client, s3, expected, signal }: ReadBatchJobOptions,
): AsyncGenerator<BatchResult> {
  const { folder, isConverse } = await outputOf(client, jobArn, signal)
  const missing = expected && new Set(expected)
  const seen = new Set<string>()
  for await (const Key of keysUnder(s3, folder, { signal })) {
    if (!Key.endsWith('.jsonl.out')) continue
    const location = { Bucket: folder.Bucket, Key }
    let number = 0
    for await (const line of linesOf(s3, location, { signal })) {
      number++
      if (line.trim() === '') continue
      const told = parseLine(line, location, number) as OutputLine
      const { recordId = '' } = told
      if (seen.has(recordId)) continue
      seen.add(recordId)
      if (missing && !missing.delete(recordId)) continue
      yield resultOf(recordId, told, isConverse)
    }
  }
  for (const recordId of missing ?? []) {
    yield {
      status: 'failed',
      recordId,
      error: new SluiceError('The job ended without a result of this record.', {
        code: 'unavailable',
        retryable: true,
        statusCode: 503,
        unbilled: true,
      }),
    }
  }
}

async function outputOf(client: BedrockClient, jobIdentifier: string, signal: AbortSignal | undefined) {
  const command = new GetModelInvocationJobCommand({ jobIdentifier })
  const job = await client.send(command, signal ? { abortSignal: signal } : {}).catch((error: unknown) => {
    throw toSluiceError(error)
  })
  const { Bucket, Key } = s3Folder('readBatchJob: output', job.outputDataConfig?.s3OutputDataConfig?.s3Uri)
  // The service makes a folder of the last part of the ARN.
  const id = jobIdentifier.split('/').at(-1)
  return { folder: { Bucket, Key: `${Key}${id}/` }, isConverse: job.modelInvocationType === 'Converse' }
}

function resultOf(recordId: string, { error, modelOutput }: OutputLine, isConverse: boolean): BatchResult {
  if (!error && modelOutput !== undefined && modelOutput !== null) {
    const answer = isConverse ? answerOf(modelOutput as ConverseResponse) : undefined
    return { status: 'fulfilled', recordId, output: modelOutput, answer, usage: outputUsage(modelOutput) }
  }
  return { status: 'failed', recordId, error: recordError(error) }
}

/** An error of a record, as the same one of a direct call would be. */
function recordError({ errorCode, errorMessage = '' }: NonNullable<OutputLine['error']> = {}): SluiceError {
  if (typeof errorCode !== 'number') {
    return new ModelError('The record has neither an answer nor an error.', {
      code: 'model_failed',
      statusCode: 502,
    })
  }
  const said = Object.assign(new Error(errorMessage), {
    name: `status ${errorCode} for the record`,
    $metadata: { httpStatusCode: errorCode },
  })
  return toSluiceError(said)
}

/**
 * A handler for the state changes of batch jobs that EventBridge tells, by a rule for the source `aws.bedrock` and the
 * detail type `Batch Inference Job State Change`. Bedrock tells them as well as it can, and EventBridge may tell one twice.
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html
 *
 * @throws InvalidEventError from the handler when the event is another one
 */
export function batchJobHandler<Context = unknown>(
  options: JobHandlerOptions<BatchEnding, Context>,
): (event: unknown, context: Context) => Promise<unknown> {
  return jobHandler(
    { source: 'aws.bedrock', detailType: 'Batch Inference Job State Change', read: endingOf },
    options,
  )
}

function endingOf(detail: Record<string, unknown>): BatchEnding {
  return {
    jobName: optionalText(detail, 'batchJobName') ?? '',
    jobArn: textIn(detail, 'batchJobArn'),
    modelId: optionalText(detail, 'batchModelId') ?? '',
    status: textIn(detail, 'status'),
    failureReason: optionalText(detail, 'failureMessage'),
  }
}
