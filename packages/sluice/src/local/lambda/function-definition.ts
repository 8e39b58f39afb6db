import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ManagedInstances } from './environment.ts'
import { checkKills, type SandboxKills } from './kills.ts'

export interface FunctionDefinition {
  /** Path or `file:` URL of the module; a `.ts` file is bundled as for a deployment. */
  readonly handler: URL | string
  /** @default 'handler' */
  readonly exportName?: string
  /** When it is over the sandbox is killed. @default 3000 */
  readonly timeoutMs?: number
  /** Bounds the heap as on Lambda. @default 1024 */
  readonly memoryMb?: number
  /** May also replace the Region, the credentials and the endpoints of the local cloud. */
  readonly environment?: Readonly<Record<string, string>>
  /** Sandboxes at most; further events wait in line, where AWS would answer with a throttle. @default 10 */
  readonly concurrency?: number
  /** Several invocations at once in one process, never frozen. */
  readonly managedInstances?: ManagedInstances
  /** Stop the process between two events, as Lambda does. @default true, never on Windows */
  readonly freeze?: boolean
  /** How long the code outside the handler may take. @default 10000 */
  readonly initTimeoutMs?: number
  /** Sandboxes that die at work, as some do on Lambda. @default none */
  readonly kills?: SandboxKills
  /** Extra arguments for Node, for example `['--import', url]`. */
  readonly nodeArguments?: readonly string[]
  /**
   * The folder of an `aws-lambda-ric` that was installed with its native build, to run without our stand-in.
   * @default the environment variable `SLUICE_NATIVE_RUNTIME_CLIENT`
   */
  readonly nativeRuntimeClient?: string
}

/** A definition with its defaults. */
export interface FunctionSettings {
  readonly exportName: string
  readonly timeoutMs: number
  readonly initTimeoutMs: number
  readonly memoryMb: number
  readonly concurrency: number
  readonly managedInstances: ManagedInstances | undefined
  readonly freeze: boolean
  readonly kills: SandboxKills | undefined
  /** For Node, the runtime client's entry file last. */
  readonly nodeArguments: readonly string[]
}

/** @throws TypeError that names the option and the value which cannot work */
export function functionSettings(
  {
    exportName = 'handler',
    timeoutMs = 3_000,
    initTimeoutMs = 10_000,
    memoryMb = 1_024,
    concurrency = 10,
    managedInstances,
    freeze = true,
    kills,
    nodeArguments = [],
    nativeRuntimeClient = process.env.SLUICE_NATIVE_RUNTIME_CLIENT,
  }: FunctionDefinition,
  option: string,
): FunctionSettings {
  const positive = { timeoutMs, initTimeoutMs, memoryMb, concurrency, ...managedInstances }
  for (const [key, value] of Object.entries(positive)) {
    if (!(value > 0)) throw new TypeError(`${option}.${key} must be greater than zero, not ${value}`)
  }
  if (kills) checkKills(kills, `${option}.kills`)
  return {
    exportName,
    timeoutMs,
    initTimeoutMs,
    memoryMb,
    concurrency,
    managedInstances,
    kills,
    freeze: freeze && !managedInstances && process.platform !== 'win32',
    nodeArguments: [
      // Lambda's own shares, which is why something large fails there and not on a laptop.
      `--max-old-space-size=${Math.ceil(memoryMb * 0.9)}`,
      `--max-semi-space-size=${Math.ceil(memoryMb * 0.05)}`,
      '--enable-source-maps',
      ...nodeArguments,
      ...runtimeClient(nativeRuntimeClient, `${option}.nativeRuntimeClient`),
    ],
  }
}

const require = createRequire(import.meta.url)

function runtimeClient(nativeFolder: string | undefined, option: string): readonly string[] {
  if (!nativeFolder) {
    const standIn = pathToFileURL(require.resolve('sluice/runtime-client')).href
    return ['--import', standIn, require.resolve('aws-lambda-ric')]
  }
  if (!existsSync(join(nativeFolder, 'rapid-client.node'))) {
    throw new TypeError(`${option}: there is no rapid-client.node in ${nativeFolder}`)
  }
  return [resolve(nativeFolder, 'index.mjs')]
}
