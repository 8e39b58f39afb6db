/**
 * Preloaded into every sandbox with `node --import`: writes down what Sluice publishes. To a file and
 * synchronously, because the sandbox may be frozen right after.
 */
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'

const file = `${process.env.SLUICE_DEMO_RECORDS}/${process.pid}.jsonl`

for (const kind of ['attempt', 'call'] as const) {
  subscribe(`sluice:${kind}`, (record) => appendFileSync(file, `${JSON.stringify({ kind, record })}\n`))
}
