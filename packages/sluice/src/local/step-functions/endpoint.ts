/** The part of Step Functions that workers talk to: callbacks with a task token. */
import { systemClock } from '../bedrock/clock.ts'
import { listen } from '../bedrock/listener.ts'
import type { JsonObject, ServiceOperation } from '../bedrock/request.ts'
import { invalid, ServiceError } from '../bedrock/service-error.ts'
import { type JsonServiceControl, type JsonServiceOptions, jsonService } from '../json-service.ts'
import { openTasks, type TaskOptions, type TaskResult, type WaitingTask } from './tasks.ts'

/** Options of {@link startStepFunctions}. */
export interface StepFunctionsOptions extends JsonServiceOptions {}

/** A running endpoint. */
export interface LocalStepFunctions extends JsonServiceControl {
  /** For `endpoint` of a client, or `AWS_ENDPOINT_URL_SFN`. */
  readonly url: string
  /** Opens a task that waits for its token. */
  task(options?: TaskOptions): WaitingTask
  close(): Promise<void>
}

/**
 * Starts an endpoint that takes SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat from real AWS SDK clients.
 *
 * @throws TypeError for options that cannot be used
 * @example
 * ```ts
 * import { startStepFunctions } from 'sluice/local'
 *
 * const stepFunctions = await startStepFunctions()
 * const { token, result } = stepFunctions.task({ heartbeatMs: 30_000 })
 * console.log('give this to a worker:', token)
 * result.then((ended) => console.log(ended.status))
 * await stepFunctions.close()
 * ```
 */
export async function startStepFunctions(options: StepFunctionsOptions = {}): Promise<LocalStepFunctions> {
  const tasks = openTasks(options.clock ?? systemClock)
  const service = jsonService(options, ({ headers }, body) => {
    const operation = /^AWSStepFunctions\.(\w+)$/.exec(String(headers['x-amz-target']))?.[1] ?? ''
    if (!Object.hasOwn(operations, operation)) return undefined
    return {
      operation: operation as ServiceOperation,
      subject: '',
      answer() {
        const told = operations[operation as keyof typeof operations](body)
        if (told === 'beat') tasks.beat(body.taskToken)
        else tasks.finish(body.taskToken, told)
        return {}
      },
    }
  })
  const listener = await listen('127.0.0.1', 0, {
    connection: service.account.connection,
    exchange: (exchange) => void service.serve(exchange),
  })
  const { counters, setFaults, until } = service
  return {
    url: `http://127.0.0.1:${listener.port}`,
    task: tasks.open,
    counters,
    setFaults,
    until,
    async close() {
      tasks.close()
      await listener.close()
    },
  }
}

/** What each request tells of its task. */
const operations = {
  SendTaskSuccess({ output }: JsonObject): TaskResult {
    if (typeof output !== 'string') throw invalid('Value at output must not be null.')
    if (Buffer.byteLength(output) > maxOutputBytes) {
      throw new ServiceError('InvalidOutput', 400, `Invalid Output: longer than ${maxOutputBytes} bytes`)
    }
    try {
      return { status: 'succeeded', output: JSON.parse(output) }
    } catch {
      throw new ServiceError('InvalidOutput', 400, "Invalid Output: 'The output is not JSON'")
    }
  },
  SendTaskFailure({ error = '', cause = '' }: JsonObject): TaskResult {
    if (String(error).length > maxErrorLength) throw invalid(`error is longer than ${maxErrorLength}.`)
    if (String(cause).length > maxCauseLength) throw invalid(`cause is longer than ${maxCauseLength}.`)
    return { status: 'failed', error: String(error), cause: String(cause) }
  },
  SendTaskHeartbeat: () => 'beat' as const,
}

const maxOutputBytes = 262_144
const maxErrorLength = 256
const maxCauseLength = 32_768
