/** Batch inference of Bedrock: the part of its control plane that runs jobs over the records of the bucket. */
import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { type JsonServiceControl, type JsonServiceOptions, jsonService } from '../json-service.ts'
import { localAccountId, localCredentials } from '../lambda/environment.ts'
import { s3Location, writeObject } from '../s3-objects.ts'
import {
  type BatchJob,
  type BatchLine,
  described,
  inputOf,
  type JobFault,
  type JobRequest,
  type JobStatus,
  outputLocation,
  stateChange,
} from './batch-job.ts'
import { systemClock } from './clock.ts'
import { listen } from './listener.ts'
import type { JsonObject } from './request.ts'
import { invalid, ServiceError } from './service-error.ts'

/** Options of the batch jobs of `startLocal()`. */
export interface BatchJobsOptions<FunctionName extends string = string> extends JsonServiceOptions {
  /** Records that a job needs; on AWS it depends on the model. @default 100 */
  readonly minimumRecords?: number
  /** @default 50_000 */
  readonly maximumRecords?: number
  /** Told of every change of the state of a job, as by a rule of EventBridge. */
  readonly function?: FunctionName
  /** What becomes of jobs instead of their completion. @default nothing */
  readonly jobFault?: JobFault
}

/** Running batch jobs. */
export interface LocalBatchJobs extends JsonServiceControl {
  /** For `endpoint` of a client, or `AWS_ENDPOINT_URL_BEDROCK`. */
  readonly url: string
  /** Replaces what becomes of the jobs that are created from now on. */
  setJobFault(fault: JobFault | undefined): void
  /** Resolves when all jobs have ended, and their notifications with them. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** @internal What the cloud around it lends. */
export interface BatchPorts {
  readonly s3: S3Client
  /** The endpoint that answers the records. */
  readonly bedrockUrl: string
  invoke(functionName: string, event: object): Promise<void>
}

/** @internal */
export async function startBatchJobs(
  { minimumRecords = 100, maximumRecords = 50_000, function: target, jobFault, ...options }: BatchJobsOptions,
  { s3, bedrockUrl, invoke }: BatchPorts,
): Promise<LocalBatchJobs> {
  const clock = options.clock ?? systemClock
  const jobs: BatchJob[] = []
  const pending = new Set<Promise<void>>()
  let nextFault = jobFault

  function keep(work: Promise<void>): void {
    const kept = work.catch(() => {}).finally(() => pending.delete(kept))
    pending.add(kept)
  }

  function become(job: BatchJob, status: JobStatus, message = ''): void {
    Object.assign(job, { status, message, changedAt: clock.now() })
    if (target !== undefined) keep(invoke(target, stateChange(job)))
  }

  function create(body: JsonObject): { jobArn: string } {
    const request = body as unknown as JobRequest
    const { jobName, clientRequestToken } = request
    if (!/^[a-zA-Z0-9](-*[a-zA-Z0-9+.-]){0,62}$/.test(String(jobName)))
      throw invalid(`${jobName} is no name of a job.`)
    const same = jobs.find((job) => job.request.clientRequestToken === clientRequestToken)
    if (same) return { jobArn: same.arn }
    if (jobs.some((job) => job.request.jobName === jobName)) {
      throw new ServiceError('ConflictException', 400, `The job name ${jobName} is in use.`)
    }
    s3Location(request.inputDataConfig.s3InputDataConfig.s3Uri)
    s3Location(request.outputDataConfig.s3OutputDataConfig.s3Uri)
    const id = createHash('sha1').update(jobName).digest('hex').slice(0, 12)
    const job: BatchJob = {
      request,
      id,
      arn: `arn:aws:bedrock:${localCredentials.AWS_REGION}:${localAccountId}:model-invocation-job/${id}`,
      fault: nextFault,
      stop: new AbortController(),
      submittedAt: clock.now(),
      counts: { totalRecordCount: 0, processedRecordCount: 0, successRecordCount: 0, errorRecordCount: 0 },
      status: 'Submitted',
      message: '',
      changedAt: clock.now(),
    }
    jobs.push(job)
    keep(work(job))
    return { jobArn: job.arn }
  }

  async function work(job: BatchJob): Promise<void> {
    become(job, 'Validating')
    try {
      const files = await inputOf(s3, job.request)
      const records = files.flatMap(({ lines }) => lines)
      job.counts.totalRecordCount = records.length
      if (records.length < minimumRecords || records.length > maximumRecords) {
        throw new Error(
          `The job has ${records.length} records; it needs ${minimumRecords} to ${maximumRecords}.`,
        )
      }
      become(job, 'InProgress')
      let left = job.fault?.afterRecords ?? (job.fault ? 0 : Number.POSITIVE_INFINITY)
      for (const { name, lines } of files) {
        const some = lines.slice(0, left)
        left -= some.length
        await writeObject(s3, outputLocation(job, `${name}.out`), await answered(job, some))
      }
      await writeObject(s3, outputLocation(job, 'manifest.json.out'), JSON.stringify(job.counts))
      become(job, job.fault?.status ?? 'Completed', job.fault?.message)
    } catch (error) {
      if (job.stop.signal.aborted) become(job, 'Stopped')
      else become(job, 'Failed', (error as Error).message)
    }
  }

  async function answered(job: BatchJob, lines: readonly BatchLine[]): Promise<string> {
    const out: string[] = []
    const waiting = lines.values()
    async function worker(): Promise<void> {
      for (const line of waiting) {
        const told = await ask(job, line.modelInput)
        job.counts.processedRecordCount++
        job.counts['error' in told ? 'errorRecordCount' : 'successRecordCount']++
        out.push(`${JSON.stringify({ ...line, ...told })}\n`)
      }
    }
    await Promise.all(Array.from({ length: 4 }, worker))
    // The service promises no order.
    return out.reverse().join('')
  }

  async function ask({ request, stop }: BatchJob, modelInput: unknown): Promise<object> {
    const { modelId, modelInvocationType } = request
    const operation = modelInvocationType === 'Converse' ? 'converse' : 'invoke'
    const url = `${bedrockUrl}/model/${encodeURIComponent(modelId)}/${operation}`
    const headers = { 'content-type': 'application/json' }
    for (let attempt = 1; ; attempt++) {
      stop.signal.throwIfAborted()
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body: JSON.stringify(modelInput),
        signal: stop.signal,
      })
      const told = (await response.json()) as { message?: string }
      if (response.ok) return { modelOutput: told }
      if (attempt === maxAttempts || (response.status !== 429 && response.status < 500)) {
        return { error: { errorCode: response.status, errorMessage: told.message ?? '' } }
      }
      await clock.sleep(retryMs, stop.signal)
    }
  }

  function named(identifier: string): BatchJob {
    const job = jobs.find(({ arn, id }) => arn === identifier || id === identifier)
    if (!job) throw new ServiceError('ResourceNotFoundException', 404, 'There is no such job.')
    return job
  }

  const service = jsonService(options, ({ method, path }, body) => {
    const [, list, identifier = '', action] =
      /^\/model-invocation-job(s?)(?:\/([^/]+))?(?:\/(stop))?$/.exec(path) ?? []
    const subject = decodeURIComponent(identifier)
    if (list === undefined) return undefined
    if (method === 'POST' && action) {
      return {
        operation: 'StopModelInvocationJob',
        subject,
        answer() {
          named(subject).stop.abort()
          return {}
        },
      }
    }
    if (method === 'POST') {
      return {
        operation: 'CreateModelInvocationJob',
        subject: String(body.jobName),
        answer: () => create(body),
      }
    }
    return list
      ? {
          operation: 'ListModelInvocationJobs',
          subject,
          answer: () => ({ invocationJobSummaries: jobs.map(described) }),
        }
      : { operation: 'GetModelInvocationJob', subject, answer: () => described(named(subject)) }
  })
  const listener = await listen('127.0.0.1', 0, {
    connection: service.account.connection,
    exchange: (exchange) => void service.serve(exchange),
  })
  const { counters, setFaults, until } = service

  return {
    url: `http://127.0.0.1:${listener.port}`,
    counters,
    setFaults,
    until,
    setJobFault(fault) {
      nextFault = fault
    },
    async settled() {
      while (pending.size > 0) await Promise.all(pending)
    },
    async close() {
      for (const { stop } of jobs) stop.abort()
      await Promise.all(pending)
      await listener.close()
    },
  }
}

const maxAttempts = 5
const retryMs = 20
