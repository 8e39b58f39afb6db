import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Bundler } from './bundle.ts'
import { localAccountId, localCredentials } from './environment.ts'
import { createInvocation, type Invocation, type InvocationEnd } from './invocation.ts'
import { readPayload } from './payload.ts'
import type { Reaper } from './reaper.ts'
import { type ResponseStream, readResponseStream, type WhenReaderLeaves } from './response-stream.ts'
import { type Sandbox, type SandboxState, startSandbox } from './sandbox.ts'

export interface FunctionDefinition {
  /** Path or `file:` URL of the module; a `.ts` file is bundled as for a deployment. */
  readonly handler: URL | string
  /** @default 'handler' */
  readonly exportName?: string
  /** When it is over the sandbox is killed. @default 3000 */
  readonly timeoutMs?: number
  /** Bounds the heap as on Lambda. @default 1024 */
  readonly memoryMb?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Sandboxes at most; further events wait in line, where AWS would answer with a throttle. @default 10 */
  readonly concurrency?: number
  /** Several invocations at once in one process, never frozen. */
  readonly managedInstances?: {
    /** Per sandbox. */
    readonly maxConcurrency: number
    /** Worker threads per sandbox. */
    readonly workerCount: number
  }
  /** Stop the process between two events, as Lambda does. @default true, never on Windows */
  readonly freeze?: boolean
  /** How long the code outside the handler may take. @default 10000 */
  readonly initTimeoutMs?: number
  /** Extra arguments for Node, for example `['--import', url]`. */
  readonly nodeArguments?: readonly string[]
  /**
   * The folder of an `aws-lambda-ric` that was installed with its native build, to run without our stand-in.
   * @default the environment variable `SLUICE_NATIVE_RUNTIME_CLIENT`
   */
  readonly nativeRuntimeClient?: string
}

export interface InvokeResult<Payload = unknown> extends InvocationEnd {
  readonly requestId: string
  /** What the handler returned, after JSON; `undefined` after an error. */
  readonly payload: Payload | undefined
  readonly coldStart: boolean
}

export interface StreamResult extends ResponseStream {
  readonly requestId: string
  /** Resolves when the answer is complete or has failed; never rejects. The body has to be read for that. */
  readonly ended: Promise<InvocationEnd>
}

export interface InvokeOptions {
  /** Gives up waiting. An event that has reached its sandbox is worked to its end, as on Lambda. */
  readonly signal?: AbortSignal
}

export interface InvokeStreamOptions extends InvokeOptions {
  /** @default 'silent' */
  readonly whenReaderLeaves?: WhenReaderLeaves
}

export interface SandboxInfo {
  readonly id: string
  readonly pid: number | undefined
  readonly state: SandboxState
}

export interface LocalFunction {
  readonly name: string
  readonly arn: string
  /** Invocations that can run at once. */
  readonly capacity: number
  /**
   * Sends one event and waits for the answer. A failing function is a result with `error`.
   * @throws RangeError when the event is larger than Lambda's 6 MB
   */
  invoke<Payload = unknown>(event: unknown, options?: InvokeOptions): Promise<InvokeResult<Payload>>
  /** Sends one event and hands over the answer as it is written. */
  invokeStream(event: unknown, options?: InvokeStreamOptions): Promise<StreamResult>
  sandboxes(): readonly SandboxInfo[]
  /** Ends a sandbox with SIGKILL, the given one or the first. Returns whether there was one. */
  kill(sandboxId?: string): boolean
  close(): Promise<void>
}

export interface FunctionContext {
  readonly bundler: Bundler
  readonly reaper: Reaper
  /** For every sandbox: the endpoints of the local cloud. */
  readonly environment: Readonly<Record<string, string>>
  readonly onLog?: (line: LogLine) => void
}

/** One line that a sandbox wrote. */
export interface LogLine {
  readonly functionName: string
  readonly sandboxId: string
  readonly requestId: string | undefined
  readonly text: string
}

const maxEventBytes = 6_291_456

export async function startFunction(
  name: string,
  definition: FunctionDefinition,
  context: FunctionContext,
): Promise<LocalFunction> {
  const {
    exportName = 'handler',
    timeoutMs = 3_000,
    initTimeoutMs = 10_000,
    memoryMb = 1_024,
    concurrency = 10,
    managedInstances,
    nodeArguments = [],
    freeze = true,
    nativeRuntimeClient = process.env.SLUICE_NATIVE_RUNTIME_CLIENT,
  } = definition
  const option = `functions.${name}`
  checkPositive({ timeoutMs, initTimeoutMs, memoryMb, concurrency, ...managedInstances }, option)
  const runtimeArguments = runtimeClientArguments(nativeRuntimeClient, option)
  const code = await context.bundler.code(definition.handler, `${option}.handler`)
  const arn = `arn:aws:lambda:${localCredentials.AWS_REGION}:${localAccountId}:function:${name}`
  const sandboxes = new Set<Sandbox>()
  const waiting: Invocation[] = []
  let closed = false

  function dispatch(): void {
    while (waiting.length > 0) {
      const sandbox = vacant() ?? (sandboxes.size < concurrency && !closed ? start() : undefined)
      if (!sandbox) return
      sandbox.take(waiting.shift()!)
    }
  }

  function vacant(): Sandbox | undefined {
    for (const sandbox of sandboxes) if (sandbox.vacancies > 0) return sandbox
    return undefined
  }

  function start(): Sandbox {
    const sandbox: Sandbox = startSandbox({
      environment: {
        functionName: name,
        memoryMb,
        taskRoot: code.directory,
        handler: `${code.moduleName}.${exportName}`,
        variables: { ...context.environment, ...definition.environment },
        managedInstances,
      },
      functionArn: arn,
      nodeArguments: [
        ...memoryArguments(memoryMb),
        '--enable-source-maps',
        ...nodeArguments,
        ...runtimeArguments,
      ],
      timeoutMs,
      initTimeoutMs,
      freeze: freeze && !managedInstances && process.platform !== 'win32',
      reaper: context.reaper,
      onVacancy: dispatch,
      onExit() {
        sandboxes.delete(sandbox)
        dispatch()
      },
      onLog(text, requestId) {
        context.onLog?.({ functionName: name, sandboxId: sandbox.id, requestId, text })
      },
    })
    sandboxes.add(sandbox)
    return sandbox
  }

  function send(event: unknown, signal: AbortSignal | undefined): Invocation {
    if (closed) throw new Error(`The function ${name} is closed`)
    signal?.throwIfAborted()
    const body = JSON.stringify(event) ?? '{}'
    if (Buffer.byteLength(body) > maxEventBytes) {
      throw new RangeError(`An event for ${name} must be smaller than ${maxEventBytes} bytes`)
    }
    const invocation = createInvocation(body)
    waiting.push(invocation)
    dispatch()
    return invocation
  }

  /** Rejects when the caller gives up; an event that still waits in line is taken back. */
  async function unlessAborted<Result>(
    invocation: Invocation,
    result: Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    if (!signal) return result
    const aborted = Promise.withResolvers<never>()
    const giveUp = () => {
      const index = waiting.indexOf(invocation)
      if (index >= 0) waiting.splice(index, 1)
      aborted.reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await Promise.race([result, aborted.promise])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async function collect<Payload>(invocation: Invocation): Promise<InvokeResult<Payload>> {
    const { payload, error } = await readPayload(await invocation.response)
    const end = await invocation.ended
    const failure = end.error ?? error
    return {
      ...end,
      error: failure,
      requestId: invocation.requestId,
      payload: failure ? undefined : (payload as Payload),
      coldStart: invocation.coldStart,
    }
  }

  return {
    name,
    arn,
    capacity: concurrency * (managedInstances?.maxConcurrency ?? 1),
    async invoke<Payload>(event: unknown, { signal }: InvokeOptions = {}) {
      const invocation = send(event, signal)
      return unlessAborted(invocation, collect<Payload>(invocation), signal)
    },
    async invokeStream(event, { signal, whenReaderLeaves = 'silent' } = {}) {
      const invocation = send(event, signal)
      const stream = invocation.response.then((response) =>
        readResponseStream(response, whenReaderLeaves, signal),
      )
      const { requestId, ended } = invocation
      return { ...(await unlessAborted(invocation, stream, signal)), requestId, ended }
    },
    sandboxes: () => [...sandboxes].map(({ id, pid, state }) => ({ id, pid, state })),
    kill(sandboxId) {
      const victim = [...sandboxes].find(({ id }) => sandboxId === undefined || sandboxId === id)
      victim?.kill()
      return victim !== undefined
    },
    async close() {
      closed = true
      for (const invocation of waiting.splice(0)) {
        invocation.end({
          errorType: 'Sluice.Closed',
          errorMessage: `The function ${name} was closed`,
          trace: [],
        })
      }
      const running = [...sandboxes]
      for (const sandbox of running) sandbox.kill()
      await Promise.all(running.map((sandbox) => sandbox.exited))
    },
  }
}

function checkPositive(values: Record<string, number>, option: string): void {
  for (const [key, value] of Object.entries(values)) {
    if (!(value > 0)) throw new TypeError(`${option}.${key} must be greater than zero, not ${value}`)
  }
}

const require = createRequire(import.meta.url)

function runtimeClientArguments(native: string | undefined, option: string): readonly string[] {
  if (!native) {
    const standIn = pathToFileURL(require.resolve('sluice/runtime-client')).href
    return ['--import', standIn, require.resolve('aws-lambda-ric')]
  }
  const entry = resolve(native, 'index.mjs')
  if (!existsSync(join(native, 'rapid-client.node'))) {
    throw new TypeError(`${option}.nativeRuntimeClient: there is no rapid-client.node in ${native}`)
  }
  return [entry]
}

/** The share of the memory that Lambda gives to V8, which is why a large payload fails there and not on a laptop. */
function memoryArguments(memoryMb: number): readonly string[] {
  return [
    `--max-old-space-size=${Math.floor(memoryMb * 0.9)}`,
    `--max-semi-space-size=${Math.max(1, Math.floor(memoryMb * 0.05))}`,
  ]
}
