/** Brings home what the recorder wrote in the sandboxes. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AttemptRecord, CallRecord } from '@sluice/core'

export interface Records {
  readonly attempts: readonly AttemptRecord[]
  readonly calls: readonly CallRecord[]
}

export interface RecordStore {
  /** What makes a sandbox record. */
  readonly environment: Readonly<Record<string, string>>
  readonly nodeArguments: readonly string[]
  read(): Promise<Records>
  remove(): Promise<void>
}

type Line = { kind: 'attempt'; record: AttemptRecord } | { kind: 'call'; record: CallRecord }

export async function openRecordStore(): Promise<RecordStore> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
  return {
    environment: { SLUICE_DEMO_RECORDS: directory },
    nodeArguments: ['--import', new URL('./recorder.ts', import.meta.url).href],
    async read() {
      const attempts: AttemptRecord[] = []
      const calls: CallRecord[] = []
      for (const file of await readdir(directory)) {
        for (const text of (await readFile(join(directory, file), 'utf8')).trim().split('\n')) {
          const line = JSON.parse(text) as Line
          if (line.kind === 'attempt') attempts.push(line.record)
          else calls.push(line.record)
        }
      }
      return { attempts, calls }
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
