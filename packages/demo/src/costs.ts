/** What it all cost, as anybody finds it out: `sluice cost` over the logs of the functions. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** @returns what the command printed; undefined where the logs hold no record of a cost */
export async function costsIn(lines: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  const records = lines.filter((line) => line.includes('"sluice"'))
  if (records.length === 0) return undefined
  const command = fileURLToPath(import.meta.resolve('sluice/cli'))
  const child = spawn(process.execPath, [command, 'cost', '--by', 'tag:pattern', '--top', '20'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal,
  })
  child.stdin.end(records.join('\n'))
  return text(child.stdout)
}
