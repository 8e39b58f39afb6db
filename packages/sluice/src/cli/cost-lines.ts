/** Finds the meter's records in logs, whatever has been put around them. */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { CostRecord } from '@sluice/cost-meter'
import { UsageError } from './usage-error.ts'

/** What one line held: a record, nothing of ours, or a record that cannot be read. */
export type Found = CostRecord | 'other' | 'broken'

const kinds = new Set(['attempt', 'call', 'invocation'])

/**
 * The record in a line: a line of EMF or of a logger as it was written, behind the time stamps of CloudWatch or of a
 * tail, or as the text of a `message`, as in exports.
 */
export function recordIn(line: string): Found {
  // Most lines of a log are not ours; no JSON is read for them.
  if (!line.includes('sluice')) return 'other'
  const quoted = /^\s*"message"\s*:\s*("(?:[^"\\]|\\.)*")\s*,?\s*$/.exec(line)?.[1]
  const text = quoted === undefined ? line : String(parsed(quoted))
  return recordOf(parsed(text.slice(text.indexOf('{"'), text.lastIndexOf('}') + 1)), line)
}

function recordOf(value: unknown, line: string): Found {
  const { sluice, message } = (value ?? {}) as { readonly sluice?: unknown; readonly message?: unknown }
  if (isRecord(sluice)) return sluice
  if (typeof message === 'string' && message.includes('"sluice"')) return recordIn(message)
  return sluice !== undefined || /"sluice\\?":\{/.test(line) ? 'broken' : 'other'
}

function isRecord(value: unknown): value is CostRecord {
  const { kind, cost, startedAtMs } = (value ?? {}) as Partial<CostRecord>
  return kinds.has(kind ?? '') && typeof cost === 'object' && typeof startedAtMs === 'number'
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/**
 * All lines of a file, `-` for standard input; one that ends in `.gz` is unpacked.
 *
 * @throws UsageError when it cannot be read
 */
export async function* linesOf(
  path: string,
  stdin: Readable,
  onBytes: (count: number) => void,
): AsyncGenerator<string> {
  const source = path === '-' ? stdin : createReadStream(path)
  source.on('data', (chunk: Buffer | string) => onBytes(chunk.length))
  let failure: Error | null | undefined
  const unpacked = pipeline(source, path.endsWith('.gz') ? createGunzip() : new PassThrough(), (error) => {
    failure = error
  })
  try {
    // A line reader does not end when what it reads from fails, and does not say so.
    unpacked.once('error', () => unpacked.destroy())
    yield* createInterface({ input: unpacked, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    failure ??= error as Error
  }
  if (failure) {
    throw new UsageError(
      `cannot read ${path === '-' ? 'standard input' : path}: ${failure.message}`,
      'sluice cost --help',
    )
  }
}
