/** Where circuit breakers of several sandboxes meet. */

/**
 * For each key one number: until when (in milliseconds since the epoch) a model is not to be asked. No number: the
 * circuit is closed. A number that has passed: the next one may ask, once, who moves it on to the end of a lease. So a
 * sandbox that dies in the middle locks nobody out for longer than its lease.
 */
export interface BreakerStore {
  /** The number; undefined when there is none. */
  get(key: string, signal?: AbortSignal): Promise<number | undefined>
  /**
   * Sets the number, or removes it where `next` is undefined, if it still is `expected`, atomically. Resolves with
   * whether it did. A false where it did set it (an answer that was lost) is harmless: leases end by themselves.
   */
  compareAndSet(
    key: string,
    expected: number | undefined,
    next: number | undefined,
    signal?: AbortSignal,
  ): Promise<boolean>
}
