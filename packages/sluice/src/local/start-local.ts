import { type BatchJobsOptions, type LocalBatchJobs, startBatchJobs } from './bedrock/batch-jobs.ts'
import { type BedrockOptions, type LocalBedrock, startBedrock } from './bedrock/endpoint.ts'
import { type BucketDefinition, type LocalBucket, startBucket } from './bucket.ts'
import { createBundler } from './lambda/bundle.ts'
import { localCredentials } from './lambda/environment.ts'
import { type FunctionContext, type LocalFunction, type LogLine, startFunction } from './lambda/function.ts'
import type { FunctionDefinition } from './lambda/function-definition.ts'
import { startReaper } from './lambda/reaper.ts'
import { type LocalQueue, type QueueDefinition, startQueue } from './queue.ts'
import { type LocalSageMaker, type SageMakerOptions, startSageMaker } from './sagemaker/endpoint.ts'
import {
  type LocalStepFunctions,
  type StepFunctionsOptions,
  startStepFunctions,
} from './step-functions/endpoint.ts'
import { startStorageServer } from './storage-server.ts'

export interface LocalOptions<
  FunctionName extends string,
  QueueName extends string,
  BucketName extends string,
> {
  /** The Bedrock endpoint; it is always there. */
  readonly bedrock?: BedrockOptions
  /** The batch jobs of Bedrock; they are always there. */
  readonly batch?: BatchJobsOptions<NoInfer<FunctionName>>
  /** SageMaker; it is always there, but knows only the endpoints and models that are given here. */
  readonly sagemaker?: SageMakerOptions<NoInfer<FunctionName>>
  /** The callbacks of Step Functions; they are always there. */
  readonly stepFunctions?: StepFunctionsOptions
  /** By name. */
  readonly functions?: Readonly<Record<FunctionName, FunctionDefinition>>
  /** By name. */
  readonly queues?: Readonly<Record<QueueName, QueueDefinition<NoInfer<FunctionName>>>>
  /** By name, which has to be a valid one for S3. */
  readonly buckets?: Readonly<Record<BucketName, BucketDefinition<NoInfer<FunctionName>>>>
  /** Every line that a sandbox writes. */
  readonly onLog?: (line: LogLine) => void
}

export interface Local<FunctionName extends string, QueueName extends string, BucketName extends string> {
  readonly bedrock: LocalBedrock
  readonly batch: LocalBatchJobs
  readonly sagemaker: LocalSageMaker
  readonly stepFunctions: LocalStepFunctions
  readonly functions: Readonly<Record<FunctionName, LocalFunction>>
  readonly queues: Readonly<Record<QueueName, LocalQueue>>
  readonly buckets: Readonly<Record<BucketName, LocalBucket>>
  /** The variables with which any AWS SDK talks to this cloud; every function has them. */
  readonly environment: Readonly<Record<string, string>>
  /** Ends every process, connection and timer and removes the bundles. */
  close(): Promise<void>
}

/**
 * Starts a cloud on this machine: a Bedrock endpoint, functions under AWS's own runtime client, queues and
 * buckets, all on the loopback.
 *
 * @throws TypeError when a definition cannot work; its message names the option and the value
 * @example
 * ```ts
 * import { startLocal } from 'sluice/local'
 *
 * const local = await startLocal({
 *   functions: { classify: { handler: new URL('./handler.ts', import.meta.url) } },
 *   queues: { tickets: { function: 'classify', batchSize: 5, maxReceiveCount: 3 } },
 * })
 * await local.queues.tickets.send(['My card was declined.'])
 * await local.queues.tickets.settled()
 * await local.close()
 * ```
 */
export async function startLocal<
  const FunctionName extends string = never,
  const QueueName extends string = never,
  const BucketName extends string = never,
>(
  options: LocalOptions<FunctionName, QueueName, BucketName> = {},
): Promise<Local<FunctionName, QueueName, BucketName>> {
  const { functions, queues, buckets, onLog } = options
  checkReferences('queues', queues, functions)
  checkReferences('buckets', buckets, functions)
  checkTargets(options, functions)
  const closers: (() => Promise<void>)[] = []

  /** What was started last is closed first: consumers before what they consume from. */
  async function close(): Promise<void> {
    for (const closer of closers.splice(0).reverse()) await closer()
  }

  function closing<Part extends { close(): Promise<void> }>(part: Part): Part {
    closers.push(() => part.close())
    return part
  }

  try {
    const bundler = closing(createBundler())
    const reaper = closing(startReaper())
    const bedrock = closing(await startBedrock(options.bedrock))
    const storage = closing(await startStorageServer())
    const stepFunctions = closing(await startStepFunctions(options.stepFunctions))
    const started: { functions?: Readonly<Record<string, LocalFunction>> } = {}
    const ports = {
      s3: storage.s3,
      bedrockUrl: bedrock.url,
      // The functions need the addresses of these services, so they are started after them.
      invoke: async (name: string, event: object) => {
        await started.functions?.[name]?.invoke(event)
      },
    }
    const batch = closing(await startBatchJobs(options.batch ?? {}, ports))
    const sagemaker = closing(await startSageMaker(options.sagemaker, ports))
    const environment = {
      ...localCredentials,
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
      AWS_ENDPOINT_URL_SQS: storage.url,
      AWS_ENDPOINT_URL_S3: storage.url,
      AWS_ENDPOINT_URL_BEDROCK: batch.url,
      AWS_ENDPOINT_URL_SAGEMAKER: sagemaker.url,
      AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: sagemaker.url,
      AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    }
    const context: FunctionContext = { bundler, reaper, environment, ...(onLog && { onLog }) }
    const startedFunctions = await startEach(functions, async (name, definition) =>
      closing(await startFunction(name, definition, context)),
    )
    started.functions = startedFunctions
    const target = ({ function: name }: { readonly function?: FunctionName }) =>
      name === undefined ? undefined : startedFunctions[name]
    return {
      bedrock,
      batch,
      sagemaker,
      stepFunctions,
      functions: startedFunctions,
      queues: await startEach(queues, async (name, definition) =>
        closing(await startQueue(name, definition, storage, target(definition))),
      ),
      buckets: await startEach(buckets, async (name, definition) =>
        closing(await startBucket(name, definition, storage, target(definition))),
      ),
      environment,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function startEach<Name extends string, Definition, Part>(
  definitions: Readonly<Record<Name, Definition>> | undefined,
  start: (name: Name, definition: Definition) => Promise<Part>,
): Promise<Record<Name, Part>> {
  const parts: Partial<Record<Name, Part>> = {}
  for (const [name, definition] of Object.entries(definitions ?? {}) as [Name, Definition][]) {
    parts[name] = await start(name, definition)
  }
  return parts as Record<Name, Part>
}

function checkReferences(
  option: string,
  definitions: Readonly<Record<string, { readonly function?: string }>> = {},
  functions: Readonly<Record<string, unknown>> = {},
): void {
  for (const [name, { function: target }] of Object.entries(definitions)) {
    if (target === undefined || Object.hasOwn(functions, target)) continue
    const known = Object.keys(functions).join(', ') || 'none'
    throw new TypeError(`${option}.${name}.function is '${target}', the functions are: ${known}`)
  }
}

/** The functions that are told of the ends of jobs and of asynchronous inferences. */
function checkTargets(
  { batch, sagemaker }: Pick<LocalOptions<string, string, string>, 'batch' | 'sagemaker'>,
  functions: Readonly<Record<string, unknown>> = {},
): void {
  const inferences = Object.entries(sagemaker?.endpoints ?? {}).map(([name, { async }]) => [
    name,
    async ?? {},
  ])
  checkReferences('sagemaker.endpoints', Object.fromEntries(inferences), functions)
  const jobs = { batch: batch ?? {}, sagemaker: { function: sagemaker?.transformFunction } }
  checkReferences('jobs', jobs as Record<string, { readonly function?: string }>, functions)
}
