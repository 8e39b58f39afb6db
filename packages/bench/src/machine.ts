import { cpus, loadavg } from 'node:os'

/** What the figures were made on, and how busy it was: without it no figure means anything. */
export function machine(): string {
  const cores = cpus()
  const load = loadavg()[0] ?? 0
  return (
    `Node ${process.versions.node}, ${process.platform}-${process.arch}, ${cores.length} cores ` +
    `(${cores[0]?.model.trim() ?? 'unknown'}), load average ${load.toFixed(2)} over the last minute`
  )
}
