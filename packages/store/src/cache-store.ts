/** Where `cache()` keeps answers. */

/** Values by key, for a limited time. Whoever uses it takes a rejection for a miss. */
export interface CacheStore {
  /** The value that was set last, as bytes of the reader's own; undefined when there is none or its time is over. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined>
  /**
   * Keeps a value for `ttlMs` milliseconds at most. One that is too big for the backend is not kept; that is no error.
   * When it resolves, every reader sees the value.
   */
  set(key: string, value: Uint8Array, ttlMs: number, signal?: AbortSignal): Promise<void>
}
