import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BedrockOptions, Counters } from 'sluice/local'
import type { Certificate } from './certificate.ts'

export interface EndpointProcess {
  url: string
  /** The endpoint's own account since the last call, which then starts anew. */
  takeCounters(): Promise<Counters>
  close(): Promise<void>
}

/** Starts the local Bedrock endpoint in its own process, so that its CPU is in nobody's figures. */
export async function startEndpoint(
  options: BedrockOptions,
  certificate?: Pick<Certificate, 'key' | 'cert'>,
): Promise<EndpointProcess> {
  const main = fileURLToPath(new URL('./endpoint.ts', import.meta.url))
  const { key, cert } = certificate ?? {}
  const child = spawn(process.execPath, [main, JSON.stringify({ options, key, cert })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const firstLine = once(createInterface(child.stdout), 'line').then(([line]) => line as string)
  const line = await Promise.race([firstLine, exited.then(() => undefined)])
  if (line === undefined) throw new Error('The local Bedrock endpoint did not start.')
  const { url, control } = JSON.parse(line) as { url: string; control: string }

  return {
    url,
    async takeCounters() {
      const counters = (await (await fetch(`${control}/_sluice/counters`)).json()) as Counters
      await fetch(`${control}/_sluice/reset`, { method: 'POST' })
      return counters
    },
    async close() {
      child.stdin.end()
      await exited
    },
  }
}
