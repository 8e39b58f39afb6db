/** Failures as the caller of an API may see them. */

import { InvalidEventError, SluiceError, type SluiceErrorCode } from '@sluice/core'

/** For `@middy/http-error-handler`: a status, headers, and a message that tells nothing of what is behind the API. */
export class HttpError extends SluiceError {
  override name = 'HttpError'
  /** `Retry-After`, where it is known. */
  readonly headers: Readonly<Record<string, string>>
  /** What has really happened, for the log. */
  readonly reason: string

  constructor(message: string, statusCode: number, cause: SluiceError) {
    const { code, retryable, retryAfterMs } = cause
    super(message, { code, retryable, retryAfterMs, statusCode, cause })
    this.reason = cause.message
    this.headers = retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }
  }

  /** The message is made for the caller, whatever the status. */
  override get expose(): boolean {
    return true
  }
}

const tooMany = [429, 'The service is used up to its limit. Try again later.'] as const
const badAnswer = [502, 'The model gave no usable answer.'] as const
const notNow = [503, 'The service is not available. Try again later.'] as const
const tooLate = [504, 'The answer did not come in time.'] as const

/** What is not here is nothing that the caller could do something about. */
const answers: Partial<Readonly<Record<SluiceErrorCode, readonly [status: number, message: string]>>> = {
  throttled: tooMany,
  daily_quota_exceeded: tooMany,
  invalid_request: [422, 'The model cannot work on this input.'],
  invalid_answer: badAnswer,
  model_failed: badAnswer,
  stream_interrupted: badAnswer,
  unavailable: notNow,
  transport_failed: notNow,
  deadline_exceeded: tooLate,
  aborted: tooLate,
  scope_ended: tooLate,
}

/** An error of Sluice as one for the caller; those of others, and those that the caller has made, as they are. */
export function toHttpError(reason: Error): Error {
  if (!SluiceError.is(reason) || reason.code === 'invalid_event') return reason
  const [statusCode, message] = answers[reason.code] ?? [502, 'The model could not be asked.']
  return new HttpError(message, statusCode, reason)
}

/** A request that cannot be read; what its parser threw may quote it, and is only the cause. */
export function badRequest(message: string, statusCode: number, cause: unknown): Error {
  // An error that is made for HTTP knows better.
  const { statusCode: own } = (cause ?? {}) as { readonly statusCode?: unknown }
  if (cause instanceof Error && typeof own === 'number') return cause
  return new InvalidEventError(message, { statusCode, cause })
}
