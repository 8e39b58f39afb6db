/** Failures as the caller of an API may see them: problem details (RFC 9457). */

import { STATUS_CODES } from 'node:http'
import { SluiceError, type SluiceErrorCode } from '@sluice/core'

export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  /** What the caller may know of it. */
  readonly detail?: string
  /** That of the error, if it is Sluice's. */
  readonly code?: SluiceErrorCode
}

const tooMany = [429, 'The service is used up to its limit. Try again later.'] as const
const badAnswer = [502, 'The model gave no usable answer.'] as const
const notNow = [503, 'The service is not available. Try again later.'] as const
const tooLate = [504, 'The answer did not come in time.'] as const

/** What is not here is nothing that the caller could do something about. */
const answers: Partial<Readonly<Record<SluiceErrorCode, readonly [status: number, detail: string]>>> = {
  throttled: tooMany,
  quota_exceeded: tooMany,
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

/** A budget says by its status whether it is worth to come back: 429 soon, 402 not before somebody raises it. */
const budgetDetails: Readonly<Record<number, string>> = {
  402: 'The budget for this is spent.',
  429: tooMany[1],
  503: notNow[1],
}

const notAsked = 'The model could not be asked.'

/** Those that the caller has made: their messages are for him. */
const callers: ReadonlySet<SluiceErrorCode> = new Set(['invalid_event', 'payload_too_large'])

/** A status and a text that tell nothing of what is behind the API. */
export function problemOf(error: unknown): Problem {
  if (SluiceError.is(error)) {
    const { code, statusCode, message } = error
    if (callers.has(code)) return problem(statusCode, message, code)
    if (code === 'budget_exceeded') return problem(statusCode, budgetDetails[statusCode] ?? notAsked, code)
    const [status, detail] = answers[code] ?? ([502, notAsked] as const)
    return problem(status, detail, code)
  }
  // As Middy's middlewares and the like throw them: the message is for the caller if it says so.
  const { statusCode, expose, message } = (error ?? {}) as Partial<Record<string, unknown>>
  if (!isErrorStatus(statusCode)) return problem(500, undefined, undefined)
  const shown = (expose ?? statusCode < 500) && typeof message === 'string' ? message : undefined
  return problem(statusCode, shown, undefined)
}

/** `Retry-After`, in whole seconds, where it is known. */
export function retryAfterOf(error: unknown): Readonly<Record<string, string>> {
  const { retryAfterMs } = (error ?? {}) as { readonly retryAfterMs?: unknown }
  if (typeof retryAfterMs !== 'number' || !(retryAfterMs >= 0 && retryAfterMs < Infinity)) return {}
  return { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) }
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
}

function problem(status: number, detail: string | undefined, code: SluiceErrorCode | undefined): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    ...(detail !== undefined && detail !== '' && { detail }),
    ...(code !== undefined && { code }),
  }
}
