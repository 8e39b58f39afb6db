import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Reaper } from './reaper.ts'

export interface SandboxProcessOptions {
  /** Arguments for Node, the runtime client's entry file last. */
  readonly nodeArguments: readonly string[]
  readonly workingDirectory: string
  readonly environment: Record<string, string>
  readonly reaper: Reaper
  readonly onLine: (line: string) => void
}

/** The process of a sandbox; what it writes comes out line by line. */
export interface SandboxProcess {
  readonly pid: number | undefined
  /** Returns whether the signal was sent. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): boolean
  /** Resolves with the reason in Lambda's words. */
  readonly exited: Promise<string>
}

export function startSandboxProcess({
  nodeArguments,
  workingDirectory,
  environment,
  reaper,
  onLine,
}: SandboxProcessOptions): SandboxProcess {
  const child = spawn(process.execPath, nodeArguments, {
    cwd: workingDirectory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine)
  const { pid } = child
  if (pid !== undefined) reaper.watch(pid)
  const { promise: exited, resolve } = Promise.withResolvers<string>()
  child.once('error', (error) => resolve(error.message))
  child.once('exit', (code, signal) => {
    if (pid !== undefined) reaper.forget(pid)
    resolve(exitReason(code, signal))
  })
  return { pid, signal: (signal) => child.kill(signal), exited }
}

function exitReason(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal) return `Runtime exited with error: signal: ${signal === 'SIGKILL' ? 'killed' : signal}`
  return code === 0
    ? 'Runtime exited without providing a reason'
    : `Runtime exited with error: exit status ${code}`
}
