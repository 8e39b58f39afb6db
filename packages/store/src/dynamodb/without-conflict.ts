/** Two transactions on one item at the same time: one of them is told to try again, and the SDK does not. */

import { setTimeout as delay } from 'node:timers/promises'
import { TransactionCanceledException, TransactionConflictException } from '@aws-sdk/client-dynamodb'

/** Tries again, after a random time that grows, until the signal aborts. Nothing was written before. */
export async function withoutConflict<Result>(
  signal: AbortSignal,
  operation: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await operation()
    } catch (error) {
      if (!isConflict(error) || signal.aborted) throw error
      await delay(Math.random() * Math.min(10 * 2 ** attempt, 200), undefined, { signal })
    }
  }
}

function isConflict(error: unknown): boolean {
  if (error instanceof TransactionConflictException) return true
  if (!(error instanceof TransactionCanceledException)) return false
  return error.CancellationReasons?.some(({ Code }) => Code === 'TransactionConflict') ?? false
}
