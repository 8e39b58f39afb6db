import type { Bundler } from './bundle.ts'
import { localAccountId, localCredentials } from './environment.ts'
import { type FunctionDefinition, functionSettings } from './function-definition.ts'
import { createInvocation, type Invocation, type InvocationEnd } from './invocation.ts'
import { killing } from './kills.ts'
import { readPayload } from './payload.ts'
import type { Reaper } from './reaper.ts'
import { type ResponseStream, readResponseStream, type WhenReaderLeaves } from './response-stream.ts'
import { type Sandbox, type SandboxState, startSandbox } from './sandbox.ts'
import { createSandboxPool } from './sandbox-pool.ts'

/** A function that runs as on Lambda. */
export interface LocalFunction {
  readonly name: string
  readonly arn: string
  /** Invocations that can run at once. */
  readonly capacity: number
  /**
   * Sends one event and waits for the answer. A function that fails is a result with `error`.
   * @throws RangeError when the event is larger than Lambda's 6 MB
   */
  invoke<Payload = unknown>(event: unknown, options?: InvokeOptions): Promise<InvokeResult<Payload>>
  /** Sends one event and hands over the answer as it is written. */
  invokeStream(event: unknown, options?: InvokeStreamOptions): Promise<StreamResult>
  sandboxes(): readonly SandboxInfo[]
  /** Ends a sandbox with SIGKILL, the given one or the oldest. Returns whether there was one. */
  kill(sandboxId?: string): boolean
  close(): Promise<void>
}

export interface InvokeOptions {
  /** Gives up waiting. An event that has reached its sandbox is worked to its end, as on Lambda. */
  readonly signal?: AbortSignal
}

export interface InvokeResult<Payload = unknown> extends InvocationEnd {
  readonly requestId: string
  /** What the handler returned, after JSON; `undefined` after an error. */
  readonly payload: Payload | undefined
  readonly coldStart: boolean
}

export interface InvokeStreamOptions extends InvokeOptions {
  /** @default 'silent' */
  readonly whenReaderLeaves?: WhenReaderLeaves
}

export interface StreamResult extends ResponseStream {
  readonly requestId: string
  /** Resolves when the invocation is over; never rejects. The body has to be read, or left, for that. */
  readonly ended: Promise<InvocationEnd>
}

export interface SandboxInfo {
  readonly id: string
  readonly pid: number | undefined
  readonly state: SandboxState
}

/** One line that a sandbox wrote. */
export interface LogLine {
  readonly functionName: string
  readonly sandboxId: string
  readonly requestId: string | undefined
  readonly text: string
}

export interface FunctionContext {
  readonly bundler: Bundler
  readonly reaper: Reaper
  /** For every sandbox: the endpoints of the local cloud. */
  readonly environment: Readonly<Record<string, string>>
  readonly onLog?: (line: LogLine) => void
}

const maxEventBytes = 6_291_456

/** @throws TypeError when the definition cannot work */
export async function startFunction(
  name: string,
  definition: FunctionDefinition,
  { bundler, reaper, environment, onLog }: FunctionContext,
): Promise<LocalFunction> {
  const { concurrency, exportName, memoryMb, managedInstances, kills, ...settings } = functionSettings(
    definition,
    `functions.${name}`,
  )
  const code = await bundler.code(definition.handler, `functions.${name}.handler`)
  const arn = `arn:aws:lambda:${localCredentials.AWS_REGION}:${localAccountId}:function:${name}`
  const killer = kills && killing(kills)
  let closed = false

  const pool = createSandboxPool({
    concurrency,
    start(callbacks) {
      const sandbox: Sandbox = startSandbox({
        ...settings,
        ...callbacks,
        environment: {
          functionName: name,
          memoryMb,
          taskRoot: code.directory,
          handler: `${code.moduleName}.${exportName}`,
          variables: { ...environment, ...definition.environment },
          managedInstances,
        },
        functionArn: arn,
        reaper,
        killer,
        onLog: (text, requestId) => onLog?.({ functionName: name, sandboxId: sandbox.id, requestId, text }),
      })
      return sandbox
    },
  })

  function send(event: unknown, signal: AbortSignal | undefined): Invocation {
    if (closed) throw new Error(`The function ${name} is closed`)
    signal?.throwIfAborted()
    const body = JSON.stringify(event) ?? '{}'
    if (Buffer.byteLength(body) > maxEventBytes) {
      throw new RangeError(`An event for ${name} must not be larger than ${maxEventBytes} bytes`)
    }
    const invocation = createInvocation(body)
    pool.submit(invocation)
    return invocation
  }

  /** Rejects when the caller gives up. */
  async function unlessAborted<Result>(
    invocation: Invocation,
    result: Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    if (!signal) return result
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const giveUp = () => {
      pool.withdraw(invocation)
      reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await Promise.race([result, aborted])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  return {
    name,
    arn,
    capacity: concurrency * (managedInstances?.maxConcurrency ?? 1),
    async invoke<Payload>(event: unknown, { signal }: InvokeOptions = {}) {
      const invocation = send(event, signal)
      return unlessAborted(invocation, wholeResult<Payload>(invocation), signal)
    },
    async invokeStream(event, { signal, whenReaderLeaves = 'silent' } = {}) {
      const invocation = send(event, signal)
      const stream = invocation.response.then((response) =>
        readResponseStream(response, whenReaderLeaves, signal),
      )
      const { requestId, ended } = invocation
      return { ...(await unlessAborted(invocation, stream, signal)), requestId, ended }
    },
    sandboxes: () => pool.sandboxes().map(({ id, pid, state }) => ({ id, pid, state })),
    kill(sandboxId) {
      const victim = pool.sandboxes().find(({ id }) => sandboxId === undefined || sandboxId === id)
      victim?.kill()
      return victim !== undefined
    },
    async close() {
      closed = true
      const errorMessage = `The function ${name} was closed before the event reached a sandbox`
      for (const invocation of await pool.close()) {
        invocation.end({ errorType: 'Sluice.Closed', errorMessage, trace: [] })
      }
    },
  }
}

async function wholeResult<Payload>(invocation: Invocation): Promise<InvokeResult<Payload>> {
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
