/** Middy middleware that ends model calls before the Lambda does, and says where the time went. */

export { DeadlineExceededError } from './deadline-exceeded-error.ts'
export type { TimeoutGuardAction, TimeoutGuardRecord } from './records.ts'
export type { SpentMs } from './stopwatch.ts'
export { type TimeoutGuardOptions, timeoutGuard } from './timeout-guard.ts'
