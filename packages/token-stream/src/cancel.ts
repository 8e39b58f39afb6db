/** The Stop button: Lambda tells a function nothing when its reader leaves, so the reader says so by another request. */

import { CallAbortedError, type Clock, type SluiceError, sleep } from '@sluice/core'
import type { CacheStore } from '@sluice/store'

export interface CancelOptions<Event = unknown> {
  /** Where `cancelStream()` leaves its word: one that all sandboxes share, such as `dynamoDBCacheStore()`. */
  readonly store: CacheStore
  /**
   * Under which name this stream can be stopped; undefined for one that cannot. Whoever knows it can stop the stream:
   * take a random one that the reader made up, and put the user in front of it.
   */
  readonly key: (event: Event) => string | undefined
  /**
   * How often the store is asked while the stream goes on, in milliseconds.
   *
   * @default 1500
   */
  readonly pollMs?: number
}

/**
 * Stops the stream of that key, wherever it runs: within `pollMs` of its `cancel` option it ends with an `error` event of
 * the code `aborted`, and its model stops.
 *
 * @param ttlMs how long the word is kept, in milliseconds; longer than the stream may last. Default 15 minutes.
 * @throws what the store throws
 *
 * @example
 * ```ts
 * import { memoryCacheStore } from '@sluice/store'
 * import { cancelStream } from '@sluice/token-stream'
 *
 * await cancelStream(memoryCacheStore(), 'user-7/stream-1')
 * ```
 */
export function cancelStream(store: CacheStore, key: string, ttlMs: number = 15 * 60_000): Promise<void> {
  return store.set(storeKey(key), new Uint8Array([1]), ttlMs)
}

/** Asks the store until the signal aborts. A store that fails is asked again: the stream is worth more than its button. */
export async function watchCancel(
  { store, pollMs = 1500 }: Omit<CancelOptions, 'key'>,
  key: string,
  clock: Clock,
  signal: AbortSignal,
  stop: (reason: SluiceError) => void,
): Promise<void> {
  let warned = false
  while (!signal.aborted) {
    try {
      await sleep(clock, pollMs, signal)
      if (!(await store.get(storeKey(key), signal))) continue
      return stop(new CallAbortedError('The stream was stopped.', { code: 'aborted', statusCode: 499 }))
    } catch (error) {
      if (warned || signal.aborted) continue
      warned = true
      const name = error instanceof Error ? error.name : typeof error
      process.emitWarning(`tokenStream cannot see who cancels: its store failed (${name}).`, 'SluiceWarning')
    }
  }
}

function storeKey(key: string): string {
  return `cancel-stream/${key}`
}
