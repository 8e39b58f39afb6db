import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { SandboxEnvironmentOptions } from './environment.ts'
import { sandboxEnvironment } from './environment.ts'
import type { FunctionError, Invocation } from './invocation.ts'
import type { Reaper } from './reaper.ts'
import { type RuntimeApi, startRuntimeApi } from './runtime-api.ts'

/** `starting` until the runtime asks for its first event, `frozen` while it is stopped between two events. */
export type SandboxState = 'starting' | 'busy' | 'idle' | 'frozen' | 'dead'

export interface SandboxOptions {
  readonly environment: Omit<SandboxEnvironmentOptions, 'runtimeApi'>
  readonly variables: Record<string, string>
  readonly functionArn: string
  /** Arguments for Node, the runtime client's entry file last. */
  readonly nodeArguments: readonly string[]
  readonly timeoutMs: number
  readonly initTimeoutMs: number
  readonly freeze: boolean
  readonly reaper: Reaper
  /** Called when the sandbox can take another invocation, before it is frozen. */
  readonly onVacancy: () => void
  readonly onExit: () => void
  readonly onLog: (text: string, requestId: string | undefined) => void
}

/** One execution environment: a process that runs AWS's runtime client and talks to a Runtime API of its own. */
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
  /** Set when its answer is complete. */
  answer?: { readonly error: FunctionError | undefined }
}

export function startSandbox(options: SandboxOptions): Sandbox {
  const { environment, timeoutMs, initTimeoutMs, reaper } = options
  const capacity = environment.managedInstances?.maxConcurrency ?? 1
  const queue: Invocation[] = []
  const running = new Map<string, Running>()
  let state: SandboxState = 'starting'
  let served = 0
  let child: ChildProcess | undefined
  let api: RuntimeApi | undefined
  /** Why it is about to die, when that is known before it does. */
  let cause: ((requestId: string) => FunctionError) | undefined

  const initTimer = setTimeout(() => {
    cause = (requestId) =>
      sandboxError('Sandbox.Timedout', requestId, `Init timed out after ${seconds(initTimeoutMs)} seconds`)
    kill()
  }, initTimeoutMs)

  function deliver(): void {
    while (api && api.polls > 0 && queue.length > 0) {
      const invocation = queue.shift()!
      if (state === 'frozen') child?.kill('SIGCONT')
      state = 'busy'
      const timer = setTimeout(timedOut, timeoutMs, invocation)
      running.set(invocation.requestId, { invocation, timer })
      invocation.delivered(served++ === 0)
      api.deliver(invocation.event, {
        'lambda-runtime-aws-request-id': invocation.requestId,
        'lambda-runtime-deadline-ms': String(Date.now() + timeoutMs),
        'lambda-runtime-invoked-function-arn': options.functionArn,
        'lambda-runtime-trace-id': traceId(),
      })
    }
  }

  function timedOut(invocation: Invocation): void {
    const words = `Task timed out after ${seconds(timeoutMs)} seconds`
    cause = (requestId) => sandboxError('Sandbox.Timedout', requestId, words)
    invocation.end(cause(invocation.requestId))
    // On Managed Instances its neighbours in the process go on.
    if (!environment.managedInstances) kill()
  }

  function answered(requestId: string, error?: FunctionError): void {
    const entry = running.get(requestId)
    if (!entry) return
    entry.answer = { error }
    if (!environment.managedInstances) return
    finish(requestId, entry, error)
    options.onVacancy()
  }

  function finish(requestId: string, { timer, invocation }: Running, error: FunctionError | undefined): void {
    clearTimeout(timer)
    running.delete(requestId)
    invocation.end(error)
  }

  function polled(): void {
    if (state === 'dead') return
    clearTimeout(initTimer)
    if (!environment.managedInstances) {
      // An invocation is over when its sandbox is ready for the next one, so that this one finds it warm.
      for (const [id, entry] of running) {
        const cut = sandboxError('Runtime.TruncatedResponse', id, 'The response was cut before its end')
        finish(id, entry, entry.answer ? entry.answer.error : cut)
      }
    }
    if (running.size === 0) state = 'idle'
    deliver()
    if (state === 'idle') options.onVacancy()
    if (state === 'idle' && options.freeze && child?.kill('SIGSTOP')) state = 'frozen'
  }

  function kill(): void {
    state = 'dead'
    child?.kill('SIGKILL')
  }

  function died(reason: string): void {
    state = 'dead'
    clearTimeout(initTimer)
    const error = cause ?? ((id: string) => sandboxError('Runtime.ExitError', id, reason))
    for (const invocation of queue.splice(0)) invocation.end(error(invocation.requestId))
    for (const [id, entry] of running) finish(id, entry, entry.answer ? entry.answer.error : error(id))
    options.onExit()
  }

  function log(line: string): void {
    const id = line.match(requestIdPattern)?.[0]
    const entry = (id && running.get(id)) || (running.size === 1 ? running.values().next().value : undefined)
    entry?.invocation.log(line)
    options.onLog(line, entry?.invocation.requestId ?? id)
  }

  async function run(): Promise<void> {
    api = await startRuntimeApi({
      polled,
      responded(requestId, response) {
        const entry = running.get(requestId)
        if (entry) entry.invocation.respond(response)
        else response.resume()
      },
      ended: answered,
      initFailed(error) {
        cause = () => error
        kill()
      },
    })
    const reason = state === 'dead' ? 'killed before its start' : await runProcess(api)
    // Only now everything that it posted before it died has been read.
    await api.close()
    died(reason)
  }

  async function runProcess({ address }: RuntimeApi): Promise<string> {
    const started = spawn(process.execPath, options.nodeArguments, {
      cwd: environment.taskRoot,
      env: { ...options.variables, ...sandboxEnvironment({ ...environment, runtimeApi: address }) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    readLines(started.stdout, log)
    readLines(started.stderr, log)
    const { pid } = started
    if (pid !== undefined) reaper.watch(pid)
    const reason = await new Promise<string>((resolve) => {
      started.once('exit', (code, signal) => resolve(exitReason(code, signal)))
      started.once('error', (error) => resolve(error.message))
    })
    if (pid !== undefined) reaper.forget(pid)
    return reason
  }

  const exited = run().catch((error: Error) => died(error.message))
  return {
    id: randomBytes(8).toString('hex'),
    get pid() {
      return child?.pid
    },
    get state() {
      return state
    },
    get vacancies() {
      if (state === 'dead') return 0
      return Math.max(0, capacity - queue.length - running.size)
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

function exitReason(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal) return `Runtime exited with error: signal: ${signal === 'SIGKILL' ? 'killed' : signal}`
  return code === 0
    ? 'Runtime exited without providing a reason'
    : `Runtime exited with error: exit status ${code}`
}

function traceId(): string {
  const time = Math.floor(Date.now() / 1000).toString(16)
  return `Root=1-${time}-${randomBytes(12).toString('hex')};Parent=${randomBytes(8).toString('hex')};Sampled=0`
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
}
