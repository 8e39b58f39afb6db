import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BedrockOptions, Counters } from 'sluice/local'

export interface EndpointProcess {
  url: string
  /** The endpoint's own account since the last call, which then starts anew. */
  takeCounters(): Promise<Counters>
  close(): Promise<void>
}

/** Starts the local Bedrock endpoint in its own process, so that its CPU is in nobody's figures. */
export async function startEndpoint(options: BedrockOptions): Promise<EndpointProcess> {
  const main = fileURLToPath(new URL('../../sluice/src/local/bedrock/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const firstLine = once(createInterface(child.stdout), 'line').then(([line]) => line as string)
  const line = await Promise.race([firstLine, exited.then(() => undefined)])
  if (line === undefined) throw new Error('The local Bedrock endpoint did not start.')
  const { url } = JSON.parse(line) as { url: string }

  return {
    url,
    async takeCounters() {
      const counters = (await (await fetch(`${url}/_sluice/counters`)).json()) as Counters
      await fetch(`${url}/_sluice/reset`, { method: 'POST' })
      return counters
    },
    async close() {
      child.stdin.end()
      await exited
    },
  }
}
