/** The provider of a run, as the bench sees it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Counters, RequestRecord } from 'sluice/local'
import type { Settings } from './settings.ts'

export interface ProviderProcess {
  readonly url: string
  /** Its own account of all requests that have ended, and the sum of what it has settled. */
  account(): Promise<{ requests: RequestRecord[]; settledTokens: number }>
  /** Forgets all it was sent; the quota is full again. */
  reset(): Promise<void>
  close(): Promise<void>
}

export async function startProvider(settings: Settings): Promise<ProviderProcess> {
  const main = fileURLToPath(new URL('./endpoint.ts', import.meta.url))
  const child = spawn(process.execPath, [main, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => text as string),
    exited.then(() => undefined),
  ])
  if (line === undefined) throw new Error('The local Bedrock endpoint did not start.')
  const { url } = JSON.parse(line) as { url: string }
  const get = async (what: string) => (await fetch(`${url}/_sluice/${what}`)).json()
  return {
    url,
    async account() {
      // What was given up at the end is settled a moment later.
      let counters = (await get('counters')) as Counters
      for (; counters.open > 0; counters = (await get('counters')) as Counters) await delay(20)
      return { requests: (await get('requests')) as RequestRecord[], settledTokens: counters.settledTokens }
    },
    async reset() {
      await fetch(`${url}/_sluice/reset`, { method: 'POST' })
    },
    async close() {
      child.stdin.end()
      await exited
    },
  }
}
