/** One job of batch inference: what it reads, where it writes, and how it is told of. */
import { randomUUID } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { localAccountId, localCredentials } from '../lambda/environment.ts'
import { keysUnder, readObject, s3Location } from '../s3-objects.ts'

/** An end of a job that is none of its records' fault. Faults of records are those of the Bedrock endpoint. */
export interface JobFault {
  readonly status: 'Failed' | 'PartiallyCompleted' | 'Expired'
  /** Records that are processed before. @default 0 */
  readonly afterRecords?: number
  readonly message?: string
}

/** @internal */
export type JobStatus =
  | 'Submitted'
  | 'Validating'
  | 'InProgress'
  | 'Completed'
  | 'PartiallyCompleted'
  | 'Expired'
  | 'Failed'
  | 'Stopped'

/** @internal A job and what became of it so far. */
export interface BatchJob {
  readonly request: JobRequest
  readonly arn: string
  readonly id: string
  readonly fault: JobFault | undefined
  readonly stop: AbortController
  readonly submittedAt: number
  readonly counts: Counts
  status: JobStatus
  message: string
  changedAt: number
}

interface Counts {
  totalRecordCount: number
  processedRecordCount: number
  successRecordCount: number
  errorRecordCount: number
}

/** @internal As it was created. */
export interface JobRequest {
  readonly jobName: string
  readonly modelId: string
  readonly clientRequestToken: string
  readonly modelInvocationType?: 'InvokeModel' | 'Converse'
  readonly inputDataConfig: { readonly s3InputDataConfig: { readonly s3Uri: string } }
  readonly outputDataConfig: { readonly s3OutputDataConfig: { readonly s3Uri: string } }
}

/** @internal A record. */
export interface BatchLine {
  readonly recordId: string
  readonly modelInput: unknown
}

/** @internal The records of a job, by file. */
export async function inputOf(
  s3: S3Client,
  { inputDataConfig }: JobRequest,
): Promise<{ name: string; lines: BatchLine[] }[]> {
  const location = s3Location(inputDataConfig.s3InputDataConfig.s3Uri)
  const keys = (await keysUnder(s3, location)).filter((key) => key.endsWith('.jsonl'))
  if (keys.length === 0) throw new Error('There are no .jsonl files at the input location.')
  return Promise.all(
    keys.map(async (key) => {
      const text = await readObject(s3, { ...location, Key: key })
      const lines = text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line, at) => {
          const { recordId = `RECORD${at}`, modelInput } = JSON.parse(line) as Partial<BatchLine>
          return { recordId, modelInput }
        })
      return { name: key.split('/').at(-1) ?? key, lines }
    }),
  )
}

/** @internal */
export function outputLocation({ request, id }: BatchJob, name: string): { Bucket: string; Key: string } {
  const { Bucket, Key } = s3Location(request.outputDataConfig.s3OutputDataConfig.s3Uri)
  return { Bucket, Key: `${Key === '' || Key.endsWith('/') ? Key : `${Key}/`}${id}/${name}` }
}

/** @internal A job as the control plane tells it. */
export function described({
  request,
  arn,
  status,
  message,
  submittedAt,
  changedAt,
  counts,
}: BatchJob): object {
  return {
    ...request,
    ...counts,
    jobArn: arn,
    status,
    message,
    submitTime: new Date(submittedAt).toISOString(),
    lastModifiedTime: new Date(changedAt).toISOString(),
  }
}

/** @internal A job as EventBridge tells it. */
export function stateChange({ request, arn, status, message, submittedAt }: BatchJob): object {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Batch Inference Job State Change',
    source: 'aws.bedrock',
    account: localAccountId,
    time: new Date().toISOString(),
    region: localCredentials.AWS_REGION,
    resources: [arn],
    detail: {
      version: '0.0',
      accountId: localAccountId,
      batchJobName: request.jobName,
      batchJobArn: arn,
      batchModelId: request.modelId,
      status,
      failureMessage: message,
      creationTime: new Date(submittedAt).toUTCString(),
    },
  }
}
