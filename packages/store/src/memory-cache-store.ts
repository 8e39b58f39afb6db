/** Cached answers of one sandbox. */

import type { CacheStore } from './cache-store.ts'

export interface MemoryCacheStoreOptions {
  /**
   * The most that is kept, keys included, in bytes; what was not read for the longest time goes first.
   *
   * @default 16 MiB
   */
  readonly maxBytes?: number
  /** Wall-clock milliseconds: they go on while the sandbox is frozen. */
  readonly now?: () => number
}

export interface MemoryCacheStore extends CacheStore {
  /** Bytes kept now. */
  readonly bytes: number
}

/**
 * A cache in the memory of one sandbox.
 *
 * @throws TypeError when `maxBytes` is no number above 0
 *
 * @example
 * ```ts
 * import { memoryCacheStore } from '@sluice/store'
 *
 * const store = memoryCacheStore({ maxBytes: 4 * 1024 * 1024 })
 * await store.set('question', new TextEncoder().encode('answer'), 60_000)
 * ```
 */
export function memoryCacheStore({
  maxBytes = 16 * 1024 * 1024,
  now = Date.now,
}: MemoryCacheStoreOptions = {}): MemoryCacheStore {
  if (!(Number.isFinite(maxBytes) && maxBytes > 0)) {
    throw new TypeError(`memoryCacheStore: maxBytes is ${String(maxBytes)}. Give a number of bytes above 0.`)
  }
  // A map iterates in the order of insertion: the first entry is the one that was not used for the longest time.
  const entries = new Map<string, Entry>()
  let bytes = 0

  function remove(key: string, entry: Entry): void {
    entries.delete(key)
    bytes -= sizeOf(key, entry.value)
  }

  return {
    get bytes() {
      return bytes
    },
    async get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      if (entry.expiresAtMs <= now()) {
        remove(key, entry)
        return undefined
      }
      entries.delete(key)
      entries.set(key, entry)
      return new Uint8Array(entry.value)
    },
    async set(key, value, ttlMs) {
      const old = entries.get(key)
      if (old) remove(key, old)
      const size = sizeOf(key, value)
      if (size > maxBytes) return
      for (const [oldestKey, oldest] of entries) {
        if (bytes + size <= maxBytes) break
        remove(oldestKey, oldest)
      }
      entries.set(key, { value: new Uint8Array(value), expiresAtMs: now() + ttlMs })
      bytes += size
    },
  }
}

interface Entry {
  readonly value: Uint8Array
  readonly expiresAtMs: number
}

/** Strings take up to two bytes a character. */
function sizeOf(key: string, value: Uint8Array): number {
  return 2 * key.length + value.byteLength
}
