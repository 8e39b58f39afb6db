import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type SandboxEnvironmentOptions, sandboxEnvironment } from './environment.ts'
import type { FunctionError, Invocation } from './invocation.ts'
import type { Killer } from './kills.ts'
import type { Reaper } from './reaper.ts'
import { type RuntimeApi, startRuntimeApi } from './runtime-api.ts'
import { type SandboxProcess, startSandboxProcess } from './sandbox-process.ts'

/** `starting` until the runtime asks for its first event, `frozen` while it is stopped between two events. */
export type SandboxState = 'starting' | 'busy' | 'idle' | 'frozen' | 'dead'

export interface SandboxOptions {
  readonly environment: Omit<SandboxEnvironmentOptions, 'runtimeApi'>
  readonly functionArn: string
  /** Arguments for Node, the runtime client's entry file last. */
  readonly nodeArguments: readonly string[]
  readonly timeoutMs: number
  readonly initTimeoutMs: number
  readonly freeze: boolean
  readonly reaper: Reaper
  readonly killer: Killer | undefined
  /** Called when it can take another invocation, before it is frozen. */
  readonly onVacancy: () => void
  readonly onExit: () => void
  readonly onLog: (text: string, requestId: string | undefined) => void
}

/** One execution environment: a process that runs AWS's runtime client, with a Runtime API of its own. */
export interface Sandbox {
  readonly id: string
  readonly pid: number | undefined
  readonly state: SandboxState
  /** Invocations it can take now. */
  readonly vacancies: number
  take(invocation: Invocation): void
  kill(): void
  /** Resolves when the process and its connections are gone. */
  readonly exited: Promise<void>
}

interface Running {
  readonly invocation: Invocation
  readonly timer: NodeJS.Timeout
  readonly spare: (() => void) | undefined
  /** Its answer is complete. */
  answer?: Answer
  /** The connection of its answer broke: what that means depends on whether the process goes on. */
  cut?: Answer
}

interface Answer {
  readonly error: FunctionError | undefined
}

export function startSandbox({
  environment,
  functionArn,
  nodeArguments,
  timeoutMs,
  initTimeoutMs,
  freeze,
  reaper,
  killer,
  onVacancy,
  onExit,
  onLog,
}: SandboxOptions): Sandbox {
  const capacity = environment.managedInstances?.maxConcurrency ?? 1
  const queue: Invocation[] = []
  const running = new Map<string, Running>()
  let state: SandboxState = 'starting'
  let delivered = 0
  let api: RuntimeApi | undefined
  let runtime: SandboxProcess | undefined
  /** Why it is being killed, as far as its invocations are concerned. */
  let cause: ((requestId: string) => FunctionError) | undefined

  const initTimer = setTimeout(() => {
    const words = `Init timed out after ${seconds(initTimeoutMs)} seconds`
    cause = (requestId) => sandboxError('Sandbox.Timedout', requestId, words)
    kill()
  }, initTimeoutMs)

  async function run(): Promise<void> {
    api = await startRuntimeApi({ polled, responded, answered, cut, initFailed })
    let reason = 'Runtime was killed before its start'
    if (state !== 'dead') {
      runtime = startSandboxProcess({
        nodeArguments,
        workingDirectory: environment.taskRoot,
        environment: sandboxEnvironment({ ...environment, runtimeApi: api.address }),
        reaper,
        onLine,
      })
      reason = await runtime.exited
    }
    // Only now everything that it posted before it died has been read.
    await api.close()
    died(reason)
  }

  function deliver(): void {
    while (api && api.polls > 0 && queue.length > 0) {
      const invocation = queue.shift()!
      const { requestId } = invocation
      if (state === 'frozen') runtime?.signal('SIGCONT')
      state = 'busy'
      running.set(requestId, {
        invocation,
        timer: setTimeout(timedOut, timeoutMs, invocation),
        spare: killer?.begin({ requestId, event: invocation.event }, kill),
      })
      delivered += 1
      invocation.delivered(delivered === 1)
      api.deliver(invocation.event, {
        'lambda-runtime-aws-request-id': requestId,
        'lambda-runtime-deadline-ms': String(Date.now() + timeoutMs),
        'lambda-runtime-invoked-function-arn': functionArn,
        'lambda-runtime-trace-id': traceId(),
      })
    }
  }

  function polled(): void {
    clearTimeout(initTimer)
    if (environment.managedInstances) deliver()
    else ready()
  }

  function responded(requestId: string, response: IncomingMessage): void {
    const entry = running.get(requestId)
    if (entry) entry.invocation.respond(response)
    else response.resume()
  }

  function answered(requestId: string, error: FunctionError | undefined): void {
    const entry = running.get(requestId)
    if (!entry) return
    entry.answer = { error }
    if (environment.managedInstances) {
      finish(requestId, entry, error)
      onVacancy()
    } else ready()
  }

  function cut(requestId: string): void {
    const error = sandboxError('Runtime.TruncatedResponse', requestId, 'The response was cut before its end')
    const entry = running.get(requestId)
    if (entry) entry.cut = { error }
    if (environment.managedInstances) answered(requestId, error)
    else ready()
  }

  /**
   * An invocation is over when its answer is complete and its sandbox asks for the next event, so that the next
   * one finds it warm. After an error in a stream the runtime asks before its last bytes are here.
   */
  function ready(): void {
    if (state === 'dead' || !api?.polls) return
    for (const [requestId, entry] of running) {
      const answer = entry.answer ?? entry.cut
      if (!answer) return
      finish(requestId, entry, answer.error)
    }
    state = 'idle'
    deliver()
    if (state === 'idle') onVacancy()
    if (state === 'idle' && freeze && runtime?.signal('SIGSTOP')) state = 'frozen'
  }

  function finish(
    requestId: string,
    { timer, spare, invocation }: Running,
    error: FunctionError | undefined,
  ): void {
    clearTimeout(timer)
    spare?.()
    running.delete(requestId)
    invocation.end(error)
  }

  function timedOut(invocation: Invocation): void {
    const words = `Task timed out after ${seconds(timeoutMs)} seconds`
    invocation.end(sandboxError('Sandbox.Timedout', invocation.requestId, words))
    // On Managed Instances its neighbours in the process go on.
    if (!environment.managedInstances) kill()
  }

  function initFailed(error: FunctionError): void {
    cause = () => error
    kill()
  }

  function kill(): void {
    state = 'dead'
    runtime?.signal('SIGKILL')
  }

  function died(reason: string): void {
    state = 'dead'
    clearTimeout(initTimer)
    const error = cause ?? ((requestId: string) => sandboxError('Runtime.ExitError', requestId, reason))
    for (const invocation of queue.splice(0)) invocation.end(error(invocation.requestId))
    for (const [requestId, entry] of running) {
      finish(requestId, entry, entry.answer ? entry.answer.error : error(requestId))
    }
    onExit()
  }

  function onLine(line: string): void {
    const id = line.match(requestIdPattern)?.[0] ?? ''
    const only = running.size === 1 ? running.values().next().value : undefined
    const { invocation } = running.get(id) ?? only ?? {}
    invocation?.log(line)
    onLog(line, invocation?.requestId)
  }

  const exited = run().catch((error: Error) => died(error.message))
  return {
    id: randomBytes(8).toString('hex'),
    get pid() {
      return runtime?.pid
    },
    get state() {
      return state
    },
    get vacancies() {
      return state === 'dead' ? 0 : Math.max(0, capacity - queue.length - running.size)
    },
    take(invocation) {
      queue.push(invocation)
      deliver()
    },
    kill,
    exited,
  }
}

const requestIdPattern = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/

function sandboxError(errorType: string, requestId: string, words: string): FunctionError {
  return { errorType, errorMessage: `RequestId: ${requestId} Error: ${words}`, trace: [] }
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(2)
}

function traceId(): string {
  const time = Math.floor(Date.now() / 1000).toString(16)
  return `Root=1-${time}-${randomBytes(12).toString('hex')};Parent=${randomBytes(8).toString('hex')};Sampled=0`
}
