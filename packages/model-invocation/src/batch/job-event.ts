/** Handlers for what EventBridge tells of jobs. */

import { InvalidEventError, SluiceError } from '@sluice/core'

/** What is to be done when a job has ended. */
export interface JobHandlerOptions<Job, Context = unknown> {
  /** Called for a job that has results, also when not all of its records have one. */
  completed(job: Job, context: Context): unknown
  /**
   * Called for a job that has none.
   *
   * @default an error that fails the event, so that it is tried again and then goes where failed events go
   */
  failed?(job: Job, context: Context): unknown
}

interface StateChange {
  readonly source?: unknown
  readonly 'detail-type'?: unknown
  readonly detail?: unknown
}

/**
 * A handler of state changes: reads the event, lets states that are none of the end go by, and calls who is concerned.
 *
 * @throws InvalidEventError from the handler when the event is no state change of such a job
 */
export function jobHandler<
  Job extends { readonly status: string; readonly failureReason?: string | undefined },
  Context,
>(
  {
    source,
    detailType,
    read,
  }: { source: string; detailType: string; read(detail: Record<string, unknown>): Job },
  { completed, failed = failEvent }: JobHandlerOptions<Job, Context>,
): (event: unknown, context: Context) => Promise<unknown> {
  return async function jobEnded(event, context) {
    const change = (typeof event === 'object' && event !== null ? event : {}) as StateChange
    const { detail } = change
    if (
      change.source !== source ||
      change['detail-type'] !== detailType ||
      typeof detail !== 'object' ||
      !detail
    ) {
      throw new InvalidEventError(
        `The event is no "${detailType}" of ${source}. Check the pattern of its rule.`,
      )
    }
    const job = read(detail as Record<string, unknown>)
    if (withResults.has(job.status)) return completed(job, context)
    if (withoutResults.has(job.status)) return failed(job, context)
    return undefined
  }
}

const withResults = new Set(['Completed', 'PartiallyCompleted'])
const withoutResults = new Set(['Failed', 'Stopped', 'Expired'])

/** Whether a job goes on no more. */
export function hasEnded(status: string | undefined): boolean {
  return status !== undefined && (withResults.has(status) || withoutResults.has(status))
}

function failEvent({ status }: { readonly status: string }): never {
  throw new SluiceError(`The job is ${status}; its service says why.`, {
    code: 'model_failed',
    statusCode: 502,
  })
}

/** A text of an event. @throws InvalidEventError */
export function textIn(detail: Record<string, unknown>, field: string): string {
  const value = detail[field]
  if (typeof value === 'string' && value !== '') return value
  throw new InvalidEventError(`The event has no detail.${field}.`)
}

/** A text of an event that may be empty or absent. */
export function optionalText(detail: Record<string, unknown>, field: string): string | undefined {
  const value = detail[field]
  return typeof value === 'string' && value !== '' ? value : undefined
}
