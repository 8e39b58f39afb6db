/** Batch Transform: jobs that read objects of the bucket, run them through a container and write what comes out. */
import type { S3Client } from '@aws-sdk/client-s3'
import type { Clock } from '../bedrock/clock.ts'
import type { JsonObject } from '../bedrock/request.ts'
import { invalid, ServiceError } from '../bedrock/service-error.ts'
import { localAccountId, localCredentials } from '../lambda/environment.ts'
import { keysUnder, readObject, s3Location, writeObject } from '../s3-objects.ts'
import type { Container, ContainerAnswer, ContainerRequest } from './containers.ts'

/** @internal */
export interface TransformPorts {
  readonly s3: S3Client | undefined
  readonly clock: Clock
  readonly models: Readonly<Record<string, Container>>
  run(
    container: Container,
    request: ContainerRequest,
    signal: AbortSignal,
  ): Promise<Required<ContainerAnswer>>
  /** Told of every change of state, as EventBridge would be. */
  changed(event: object): void
  /** Called with every job that starts to work. */
  working(work: Promise<void>): void
}

/** @internal The jobs, as the control plane sees them. */
export interface TransformJobs {
  create(request: JsonObject): { TransformJobArn: string }
  describe(request: JsonObject): object
  stop(request: JsonObject): object
  close(): void
}

interface Job {
  readonly request: TransformRequest
  readonly arn: string
  readonly createdAt: number
  readonly stop: AbortController
  status: 'InProgress' | 'Completed' | 'Failed' | 'Stopping' | 'Stopped'
  failureReason?: string
  endedAt?: number
}

interface TransformRequest {
  readonly TransformJobName: string
  readonly ModelName: string
  readonly BatchStrategy?: 'MultiRecord' | 'SingleRecord'
  readonly MaxPayloadInMB?: number
  readonly TransformInput: {
    readonly DataSource: { readonly S3DataSource: { readonly S3DataType: string; readonly S3Uri: string } }
    readonly ContentType?: string
    readonly SplitType?: string
  }
  readonly TransformOutput: {
    readonly S3OutputPath: string
    readonly Accept?: string
    readonly AssembleWith?: string
  }
  readonly DataProcessing?: { readonly JoinSource?: string }
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[]
}

export function transformJobs({ s3, clock, models, run, changed, working }: TransformPorts): TransformJobs {
  const jobs = new Map<string, Job>()

  function named({ TransformJobName: name }: JsonObject): Job {
    const job = jobs.get(String(name))
    if (!job) throw new ServiceError('ResourceNotFound', 400, `Could not find transform job ${name}.`)
    return job
  }

  function describe({ request, arn, status, failureReason, createdAt, endedAt }: Job): object {
    const { Tags, ...told } = request
    return {
      ...told,
      TransformJobArn: arn,
      TransformJobStatus: status,
      ...(failureReason !== undefined && { FailureReason: failureReason }),
      CreationTime: createdAt / 1000,
      TransformStartTime: createdAt / 1000,
      ...(endedAt !== undefined && { TransformEndTime: endedAt / 1000 }),
    }
  }

  function become(job: Job, status: Job['status']): void {
    job.status = status
    const Tags = Object.fromEntries((job.request.Tags ?? []).map(({ Key, Value }) => [Key, Value]))
    changed({
      version: '0',
      id: crypto.randomUUID(),
      'detail-type': 'SageMaker Transform Job State Change',
      source: 'aws.sagemaker',
      account: localAccountId,
      time: new Date(clock.now()).toISOString(),
      region: localCredentials.AWS_REGION,
      resources: [job.arn],
      detail: { ...describe(job), Tags },
    })
  }

  async function work(job: Job, bucket: S3Client): Promise<void> {
    become(job, 'InProgress')
    try {
      await transform(
        job.request,
        bucket,
        (request) => run(models[job.request.ModelName] as Container, request, job.stop.signal),
        job.stop.signal,
      )
      job.endedAt = clock.now()
      become(job, 'Completed')
    } catch (error) {
      job.endedAt = clock.now()
      if (job.stop.signal.aborted) return become(job, 'Stopped')
      job.failureReason = `AlgorithmError: ${(error as Error).message}`
      become(job, 'Failed')
    }
  }

  return {
    create(body) {
      const request = body as unknown as TransformRequest
      const { TransformJobName: name, ModelName: model, TransformInput, TransformOutput } = request
      if (!s3) throw invalid('Transform jobs need a bucket; start the endpoint with startLocal().')
      if (!/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/.test(String(name)))
        throw invalid(`${name} is no name of a job.`)
      if (jobs.has(name)) throw new ServiceError('ResourceInUse', 400, `Job ${name} exists already.`)
      if (!Object.hasOwn(models, model)) throw invalid(`Could not find model "${model}".`)
      s3Location(TransformInput.DataSource.S3DataSource.S3Uri)
      s3Location(TransformOutput.S3OutputPath)
      const { AWS_REGION: region } = localCredentials
      const arn = `arn:aws:sagemaker:${region}:${localAccountId}:transform-job/${name.toLowerCase()}`
      const job: Job = {
        request,
        arn,
        createdAt: clock.now(),
        stop: new AbortController(),
        status: 'InProgress',
      }
      jobs.set(name, job)
      working(work(job, s3))
      return { TransformJobArn: arn }
    },
    describe: (body) => describe(named(body)),
    stop(body) {
      const job = named(body)
      if (job.status !== 'InProgress') throw invalid(`The job is ${job.status}.`)
      job.status = 'Stopping'
      job.stop.abort()
      return {}
    },
    close() {
      for (const { stop } of jobs.values()) stop.abort()
    },
  }
}

/** Runs every object of the input through the container. A failure of one fails the job, as on AWS. */
async function transform(
  {
    TransformInput,
    TransformOutput,
    BatchStrategy = 'MultiRecord',
    MaxPayloadInMB = 6,
    DataProcessing,
  }: TransformRequest,
  s3: S3Client,
  run: (request: ContainerRequest) => Promise<Required<ContainerAnswer>>,
  signal: AbortSignal,
): Promise<void> {
  const { S3DataType, S3Uri } = TransformInput.DataSource.S3DataSource
  const source = s3Location(S3Uri)
  const keys = S3DataType === 'ManifestFile' ? await manifestKeys(s3, source) : await keysUnder(s3, source)
  if (keys.length === 0) throw new Error(`No S3 objects found under ${S3Uri}.`)
  const { ContentType: contentType = 'application/json', SplitType = 'None' } = TransformInput
  const { Accept: accept = '', AssembleWith = 'None', S3OutputPath } = TransformOutput
  const output = s3Location(S3OutputPath.endsWith('/') ? S3OutputPath : `${S3OutputPath}/`)
  for (const key of keys) {
    signal.throwIfAborted()
    const text = await readObject(s3, { Bucket: source.Bucket, Key: key })
    const records = SplitType === 'Line' ? text.split('\n').filter((line) => line !== '') : [text]
    const payloads =
      SplitType === 'Line' && BatchStrategy === 'MultiRecord' ? batches(records, MaxPayloadInMB) : records
    const answers: string[] = []
    for (const body of payloads) {
      signal.throwIfAborted()
      answers.push((await run({ body, contentType, accept })).body)
    }
    const whole =
      AssembleWith === 'Line'
        ? answers.map((answer) => `${answer.replace(/\n$/, '')}\n`).join('')
        : answers.join('')
    const body = DataProcessing?.JoinSource === 'Input' ? joined(records, whole) : whole
    await writeObject(
      s3,
      { Bucket: output.Bucket, Key: `${output.Key}${outputName(key, S3DataType, source.Key)}` },
      body,
    )
  }
}

/** Below the prefix it keeps its place. */
function outputName(key: string, dataType: string, prefix: string): string {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  return `${dataType === 'ManifestFile' ? (key.split('/').at(-1) ?? key) : key.slice(folder.length)}.out`
}

async function manifestKeys(s3: S3Client, manifest: ReturnType<typeof s3Location>): Promise<string[]> {
  const [{ prefix }, ...names] = JSON.parse(await readObject(s3, manifest)) as [
    { prefix: string },
    ...string[],
  ]
  return names.map((name) => s3Location(`${prefix}${name}`).Key)
}

function batches(records: readonly string[], maxMb: number): string[] {
  const payloads: string[] = []
  let payload = ''
  for (const record of records) {
    const next = payload === '' ? record : `${payload}\n${record}`
    if (Buffer.byteLength(next) > maxMb * 1_048_576 && payload !== '') {
      payloads.push(payload)
      payload = record
    } else payload = next
  }
  return [...payloads, payload]
}

/** Each answer beside what it answers. What is no object becomes a member of one. */
function joined(records: readonly string[], output: string): string {
  const answers = output.split('\n').filter((line) => line !== '')
  return records
    .map((record, at) => {
      const input: unknown = JSON.parse(record)
      const own = typeof input === 'object' && input !== null && !Array.isArray(input)
      const beside = own ? input : { SageMakerInput: input }
      return `${JSON.stringify({ ...beside, SageMakerOutput: JSON.parse(answers[at] ?? 'null') })}\n`
    })
    .join('')
}
