/** What makes two requests the same. */

import { createHash, type Hash } from 'node:crypto'
import type { ModelRequest } from '@sluice/core'

/**
 * A SHA-256 over everything that decides about an answer: who asks, which model, how, and `matter` (of the payload, by
 * default all of it). The order of keys does not matter, nor what kind of bytes an image is made of. Undefined when
 * something has no value to compare, such as a stream.
 */
export function cacheKey(
  { provider, operation, streaming, modelId }: ModelRequest,
  tenant: string | undefined,
  matter: unknown,
): string | undefined {
  const hash = createHash('sha256')
  return write(hash, ['sluice.cache.1', provider, operation, streaming, modelId, tenant, matter])
    ? hash.digest('hex')
    : undefined
}

/** Writes a value so that no other value is written alike. Returns whether it could. */
function write(hash: Hash, value: unknown): boolean {
  if (typeof value === 'string') hash.update(JSON.stringify(value))
  else if (typeof value === 'number' || typeof value === 'bigint') hash.update(`${typeof value}${value};`)
  else if (typeof value === 'boolean' || value === undefined || value === null) hash.update(`${value};`)
  else if (typeof value !== 'object') return false
  else if (value instanceof Date) hash.update(`date${value.getTime()};`)
  else if (ArrayBuffer.isView(value)) writeBytes(hash, value)
  else if (value instanceof ArrayBuffer) writeBytes(hash, new Uint8Array(value))
  else if (Array.isArray(value)) return writeAll(hash, '[', value)
  else if (isPlain(value)) return writeAll(hash, '{', Object.entries(value).filter(isSet).sort(byKey).flat())
  else return false
  return true
}

function writeBytes(hash: Hash, { buffer, byteOffset, byteLength }: ArrayBufferView): void {
  hash.update(`bytes${byteLength}:`).update(new Uint8Array(buffer, byteOffset, byteLength))
}

function writeAll(hash: Hash, kind: string, values: readonly unknown[]): boolean {
  hash.update(`${kind}${values.length}:`)
  return values.every((value) => write(hash, value))
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function isSet([, value]: readonly [string, unknown]): boolean {
  return value !== undefined
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
