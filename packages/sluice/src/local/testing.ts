import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** Runs a script with this Node to its end. */
export async function runScript(
  script: URL,
  environment: Record<string, string> = {},
): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [fileURLToPath(script)], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  return { code, output, errors }
}

export function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid ?? 0, 0)
  } catch {
    return false
  }
}
