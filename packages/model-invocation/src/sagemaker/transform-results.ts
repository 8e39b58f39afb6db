/** What a transform job wrote, and the event that tells that it has. */

import type { S3Client } from '@aws-sdk/client-s3'
import { type JobHandlerOptions, jobHandler, optionalText, textIn } from '../batch/job-event.ts'
import { keysUnder, linesOf, parseLine, s3Folder } from '../batch/s3.ts'
import type { TransformEnding } from './transform-job.ts'

/** A line of JSON that a job wrote. */
export interface TransformResult<Value = unknown> {
  /** The name of the object that it was made of, below the input. */
  readonly name: string
  /** The number of the line, from 0: with the same split as the input, that of its record. */
  readonly index: number
  readonly value: Value
}

/**
 * Reads the results of a job that writes lines of JSON, as they arrive.
 *
 * @param output the folder of the job, as an `s3://` URI
 * @throws SluiceError with the code `unexpected` for a line that is not JSON; what S3 throws
 */
export async function* readTransformJob<Value = unknown>(
  output: string,
  { s3, signal }: { readonly s3: S3Client; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<TransformResult<Value>> {
  const folder = s3Folder('readTransformJob: output', output)
  for await (const Key of keysUnder(s3, folder, { signal })) {
    if (!Key.endsWith('.out')) continue
    const location = { Bucket: folder.Bucket, Key }
    const name = Key.slice(folder.Key.length, -'.out'.length)
    let index = 0
    for await (const line of linesOf(s3, location, { signal })) {
      if (line.trim() === '') continue
      yield { name, index, value: parseLine(line, location, index + 1) as Value }
      index++
    }
  }
}

/**
 * A handler for the state changes of transform jobs that EventBridge tells, by a rule for the source `aws.sagemaker` and
 * the detail type `SageMaker Transform Job State Change`. SageMaker may tell one change several times.
 *
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
 *
 * @throws InvalidEventError from the handler when the event is another one
 *
 * @example
 * ```ts
 * import { S3Client } from '@aws-sdk/client-s3'
 * import middy from '@middy/core'
 * import { readTransformJob, transformJobHandler } from '@sluice/model-invocation/sagemaker-batch'
 *
 * const s3 = new S3Client({})
 *
 * export const handler = middy(
 *   transformJobHandler({
 *     async completed({ output }) {
 *       for await (const { name, index, value } of readTransformJob(output, { s3 })) console.log(name, index, value)
 *     },
 *   }),
 * )
 * ```
 */
export function transformJobHandler<Context = unknown>(
  options: JobHandlerOptions<TransformEnding, Context>,
): (event: unknown, context: Context) => Promise<unknown> {
  return jobHandler(
    { source: 'aws.sagemaker', detailType: 'SageMaker Transform Job State Change', read: endingOf },
    options,
  )
}

interface Places {
  readonly TransformInput?: { readonly DataSource?: { readonly S3DataSource?: { readonly S3Uri?: string } } }
  readonly TransformOutput?: { readonly S3OutputPath?: string }
}

function endingOf(detail: Record<string, unknown>): TransformEnding {
  const { TransformInput, TransformOutput } = detail as Places
  const status = textIn(detail, 'TransformJobStatus')
  const output = (TransformOutput ?? {}) as Record<string, unknown>
  return {
    jobName: textIn(detail, 'TransformJobName'),
    status,
    modelName: optionalText(detail, 'ModelName') ?? '',
    input: TransformInput?.DataSource?.S3DataSource?.S3Uri ?? '',
    // Nobody asks for the place of results that are not there.
    output:
      status === 'Completed' ? textIn(output, 'S3OutputPath') : (optionalText(output, 'S3OutputPath') ?? ''),
    failureReason: optionalText(detail, 'FailureReason'),
  }
}
