/** The local SageMaker: its runtime and the part of its control plane that runs transform jobs, on one port. */
import type { S3Client } from '@aws-sdk/client-s3'
import { type Clock, seededRandom, systemClock } from '../bedrock/clock.ts'
import { type Account, type Counters, openAccount, type RequestRecord } from '../bedrock/counters.ts'
import { type FaultRule, faultRules } from '../bedrock/faults.ts'
import { type Latency, paceOf } from '../bedrock/latency.ts'
import { listen } from '../bedrock/listener.ts'
import { extractive } from '../bedrock/model.ts'
import type { LocalModel, ServiceOperation } from '../bedrock/request.ts'
import { jsonService } from '../json-service.ts'
import { localAccountId } from '../lambda/environment.ts'
import type { AsyncDefinition } from './async-inference.ts'
import type { Container } from './containers.ts'
import { invocations } from './invocations.ts'
import { runWhole } from './run-whole.ts'
import type { Runtime } from './serve.ts'
import { transformJobs } from './transform-jobs.ts'

/** An endpoint. */
export interface EndpointDefinition<FunctionName extends string = string> {
  /** @default 'chat' */
  readonly container?: Container
  /** By the names of inference components; a request has to name one of them. */
  readonly components?: Readonly<Record<string, Container>>
  /** By `TargetModel`, for an endpoint of many models; a request has to name one of them. */
  readonly targetModels?: Readonly<Record<string, Container>>
  /** @default ['AllTraffic'] */
  readonly variants?: readonly string[]
  /** Bytes in each part of a response stream, whatever lines and characters that cuts. @default as they are written */
  readonly chunkBytes?: number
  /** For InvokeEndpointAsync; without it that is refused, and with it all else is. */
  readonly async?: AsyncDefinition<FunctionName>
}

/** Options of {@link startSageMaker}. */
export interface SageMakerOptions<FunctionName extends string = string> {
  /** By name. @default none */
  readonly endpoints?: Readonly<Record<string, EndpointDefinition<FunctionName>>>
  /** What transform jobs run, by the name of the model. @default none */
  readonly models?: Readonly<Record<string, Container>>
  /** Told of every change of the state of a transform job, as by a rule of EventBridge. */
  readonly transformFunction?: FunctionName
  /** How fast the containers `chat` and `tgi` write; `'none'` is at once. @default 350 ms to the first token, then 80 tokens a second */
  readonly latency?: Latency | 'none'
  /** What goes wrong; `model` of a rule is the name of an endpoint or a job. @default nothing */
  readonly faults?: readonly FaultRule[]
  /** What writes the answers of `chat` and `tgi`. @default the built-in extractive model */
  readonly model?: LocalModel
  /** Seed of jitter and of faults with a probability. @default 1 */
  readonly seed?: number
  /** @default the system's */
  readonly clock?: Clock
}

/** A running SageMaker. */
export interface LocalSageMaker {
  /** For `endpoint` of a client, or `AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME` and `AWS_ENDPOINT_URL_SAGEMAKER`. */
  readonly url: string
  /** What its runtime was asked and what it produced, up to now. */
  counters(): Counters
  /** The last requests that ended, oldest first. */
  requests(): RequestRecord[]
  /** Starts the account and the counts of the fault rules again. */
  reset(): void
  /** Replaces the fault rules. @throws TypeError for a rule that cannot be used */
  setFaults(rules: readonly FaultRule[]): void
  /** Resolves when no answer is being written to anybody. */
  idle(): Promise<void>
  /** Resolves when the counters satisfy the predicate. */
  until: Account['until']
  /** Resolves when all asynchronous work and all jobs have ended, and their notifications with them. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** @internal What the cloud around it lends. */
export interface SageMakerPorts {
  readonly s3?: S3Client
  /** Hands an event to a function. */
  invoke?(functionName: string, event: object): Promise<void>
}

/**
 * Starts a SageMaker that real AWS SDK clients talk to. Asynchronous inference and transform jobs need a bucket:
 * they are there with `startLocal()`.
 *
 * @throws TypeError for options that cannot be used
 * @example
 * ```ts
 * import { startSageMaker } from 'sluice/local'
 *
 * const sagemaker = await startSageMaker({
 *   latency: 'none',
 *   endpoints: {
 *     chat: { container: 'chat', chunkBytes: 7 },
 *     labels: { container: ({ body }) => JSON.stringify({ label: body.includes('card') ? 'card' : 'other' }) },
 *   },
 * })
 * console.log(sagemaker.url)
 * await sagemaker.close()
 * ```
 */
export async function startSageMaker(
  {
    endpoints = {},
    models = {},
    transformFunction,
    latency = {},
    faults: rules = [],
    model = extractive,
    seed = 1,
    clock = systemClock,
  }: SageMakerOptions = {},
  { s3, invoke = async () => {} }: SageMakerPorts = {},
): Promise<LocalSageMaker> {
  const random = seededRandom(seed)
  const account = openAccount()
  const faults = faultRules(rules, random)
  const runtime: Runtime = { account, clock, faults, model, pace: paceOf(latency, clock, random) }
  const closing = new AbortController()
  const pending = new Set<Promise<void>>()

  function keep(work: Promise<void>): void {
    const kept = work.catch(() => {}).finally(() => pending.delete(kept))
    pending.add(kept)
  }

  const jobs = transformJobs({
    s3,
    clock,
    models,
    run: (container, request, signal) => runWhole(runtime, container, request, signal),
    changed: (event) => {
      if (transformFunction !== undefined) keep(invoke(transformFunction, event))
    },
    working: keep,
  })
  const control = jsonService({ faults: rules, seed, clock }, ({ headers }, body) => {
    const operation = /^SageMaker\.(\w+)$/.exec(String(headers['x-amz-target']))?.[1]
    const method = operation && controlMethods[operation as keyof typeof controlMethods]
    if (!method) return undefined
    return {
      operation: operation as ServiceOperation,
      subject: String(body.TransformJobName),
      answer: () => jobs[method](body),
    }
  })

  const serve = invocations(runtime, {
    endpoints,
    s3,
    run: (container, request) => runWhole(runtime, container, request, closing.signal),
    notify: (target, message) => invoke(target, snsEvent(message)),
    keep,
  })
  const listener = await listen('127.0.0.1', 0, {
    connection: account.connection,
    exchange: (exchange) => {
      void ('x-amz-target' in exchange.headers ? control.serve(exchange) : serve(exchange))
    },
  })
  return {
    url: `http://127.0.0.1:${listener.port}`,
    counters: account.counters,
    requests: account.requests,
    idle: account.idle,
    until: account.until,
    setFaults(next) {
      faults.set(next)
      control.setFaults(next)
    },
    reset() {
      account.reset()
      faults.reset()
    },
    async settled() {
      while (pending.size > 0) await Promise.all(pending)
    },
    async close() {
      jobs.close()
      closing.abort()
      await listener.close()
      await Promise.all(pending)
    },
  }
}

const controlMethods = {
  CreateTransformJob: 'create',
  DescribeTransformJob: 'describe',
  StopTransformJob: 'stop',
} as const

/** A notification, as a function that subscribes to a topic gets it. */
function snsEvent(message: object): object {
  return {
    Records: [
      {
        EventSource: 'aws:sns',
        EventVersion: '1.0',
        EventSubscriptionArn: `arn:aws:sns:us-east-1:${localAccountId}:inference:local`,
        Sns: {
          Type: 'Notification',
          MessageId: crypto.randomUUID(),
          TopicArn: `arn:aws:sns:us-east-1:${localAccountId}:inference`,
          Timestamp: new Date().toISOString(),
          Message: JSON.stringify(message),
          MessageAttributes: {},
        },
      },
    ],
  }
}
