/** The errors of Sluice: one base class, a few subclasses that add typed data. */

import type { Usage } from './usage.ts'

const marker = Symbol.for('sluice.error')
const inspected = Symbol.for('nodejs.util.inspect.custom')

/** Stable, machine-readable reasons. New ones may be added in a minor version. */
export type SluiceErrorCode =
  | 'aborted'
  | 'access_denied'
  | 'budget_exceeded'
  | 'daily_quota_exceeded'
  | 'deadline_exceeded'
  | 'invalid_answer'
  | 'invalid_event'
  | 'invalid_request'
  | 'model_failed'
  | 'no_scope'
  | 'not_found'
  | 'payload_too_large'
  | 'policy_conflict'
  | 'quota_exceeded'
  | 'scope_ended'
  | 'stream_interrupted'
  | 'throttled'
  | 'tool_limit_exceeded'
  | 'transport_failed'
  | 'unavailable'
  | 'unexpected'

export interface SluiceErrorOptions {
  readonly code: SluiceErrorCode
  /** Whether the same request may succeed later. Default false. */
  readonly retryable?: boolean | undefined
  /** When to come back, in milliseconds from now, if the provider or a ledger said so. */
  readonly retryAfterMs?: number | undefined
  /** HTTP status for `@middy/http-error-handler`. Default 500. */
  readonly statusCode?: number | undefined
  /** True when nothing can have been generated or billed: refused, or never sent. Default false. */
  readonly unbilled?: boolean | undefined
  /** The original. It may quote a payload, so it is kept non-enumerable and never logged by Sluice. */
  readonly cause?: unknown
}

/**
 * Base of every error that Sluice throws. `name` is stable, made for Step Functions' `ErrorEquals`;
 * messages say what to do and never quote a prompt or an answer.
 *
 * @example
 * ```ts
 * import { SluiceError } from '@sluice/core'
 *
 * try {
 *   throw new SluiceError('the store is down', { code: 'unavailable', retryable: true })
 * } catch (error) {
 *   if (SluiceError.is(error) && error.retryable) console.log('again in', error.retryAfterMs ?? 0, 'ms')
 * }
 * ```
 */
export class SluiceError extends Error {
  override name = 'SluiceError'
  readonly code: SluiceErrorCode
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly statusCode: number
  readonly unbilled: boolean
  /** What the models that were asked before failed with, where a fallback had several. Not enumerable. */
  declare readonly errors?: readonly Error[]

  constructor(message: string, options: SluiceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.retryable = options.retryable ?? false
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
    this.statusCode = options.statusCode ?? 500
    this.unbilled = options.unbilled ?? false
    Object.defineProperties(this, { [marker]: { value: true }, [inspected]: { value: printed } })
  }

  /** Whether an HTTP response may show the message (Middy's convention: below 500). */
  get expose(): boolean {
    return this.statusCode < 500
  }

  /** True for errors of any copy of Sluice in a bundle, where `instanceof` is not. */
  static is(error: unknown): error is SluiceError {
    return (
      typeof error === 'object' && error !== null && (error as { [key: symbol]: unknown })[marker] === true
    )
  }
}

/** For `console.error` and the like: Node would print the cause as well, enumerable or not. */
function printed(
  this: SluiceError,
  _depth: number,
  options: object,
  inspect: (value: object, options: object) => string,
): string {
  return `${this.stack} ${inspect({ ...this }, options)}`
}

/** The provider answered with an error: nothing was generated and nothing is billed. */
export class ModelError extends SluiceError {
  override name = 'ModelError'

  constructor(message: string, options: SluiceErrorOptions) {
    super(message, { unbilled: true, ...options })
  }
}

/** The provider refused for lack of quota. `code` tells a per-minute limit from a daily one, for which waiting is useless. */
export class ModelThrottledError extends ModelError {
  override name = 'ModelThrottledError'
}

/** No answer came: connection, time-out, protocol. Unless `unbilled`, what the provider did with the request is unknown. */
export class TransportError extends SluiceError {
  override name = 'TransportError'
}

/** A stream that did not reach its end: cut, silently truncated, or failed after content was delivered. */
export class StreamInterruptedError extends SluiceError {
  override name = 'StreamInterruptedError'
  /** Whether any content had been delivered. */
  readonly partial: boolean
  /** Tokens up to the break, estimated where the provider had not told them yet. */
  readonly usage: Usage

  constructor(message: string, options: { partial: boolean; usage: Usage; cause?: unknown }) {
    super(message, { code: 'stream_interrupted', retryable: true, statusCode: 502, cause: options.cause })
    this.partial = options.partial
    this.usage = options.usage
  }
}

/** The caller's signal aborted the call. The name is the platform's own. */
export class CallAbortedError extends SluiceError {
  override name = 'AbortError'
}

/** A call was started, or was still running, when its invocation had already ended. */
export class ScopeEndedError extends SluiceError {
  override name = 'ScopeEndedError'
}

/** An event, or one of its records, is not of the kind that its source reads. */
export class InvalidEventError extends SluiceError {
  override name = 'InvalidEventError'

  constructor(
    message: string,
    { statusCode = 400, cause }: { readonly statusCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { code: 'invalid_event', statusCode, cause, unbilled: true })
  }
}

/** What is wrong with one place of an answer, without a word of the answer. */
export interface AnswerIssue {
  /** Where, as in `items.0.price`; a name that the model made up is `*`, the whole answer is the empty string. */
  readonly path: string
  /** The kind that the validator gave it (`invalid_type`), `not_json`, `missing`, or `invalid`. */
  readonly kind: string
}

/** What a model said is not what was asked for, and asking again did not help. All of it was billed. */
export class InvalidAnswerError extends SluiceError {
  override name = 'InvalidAnswerError'
  readonly issues: readonly AnswerIssue[]
  /** `max_tokens` for an answer that was cut, `guardrail_intervened`, ... */
  readonly stopReason: string
  /** Over all rounds. */
  readonly usage: Usage
  /** The last answer and the validator's own issues, which quote it. Not enumerable, so that no logger prints them. */
  declare readonly original: { readonly answer: unknown; readonly issues: readonly unknown[] }

  constructor(
    message: string,
    options: {
      readonly issues: readonly AnswerIssue[]
      readonly stopReason: string
      readonly usage: Usage
      readonly retryable: boolean
      readonly original: { readonly answer: unknown; readonly issues: readonly unknown[] }
    },
  ) {
    super(message, { code: 'invalid_answer', retryable: options.retryable, statusCode: 502 })
    this.issues = options.issues
    this.stopReason = options.stopReason
    this.usage = options.usage
    Object.defineProperty(this, 'original', { value: options.original })
  }
}

/** A loop of model and tools reached one of its limits before the model had finished. All rounds were billed. */
export class ToolLimitError extends SluiceError {
  override name = 'ToolLimitError'
  readonly limit: 'rounds' | 'duration' | 'tokens' | 'cost'
  /** Model calls that were answered. */
  readonly rounds: number
  /** Of the last answer; empty when there was none. */
  readonly stopReason: string
  /** Over all rounds. */
  readonly usage: Usage

  constructor(
    message: string,
    options: {
      readonly limit: 'rounds' | 'duration' | 'tokens' | 'cost'
      readonly rounds: number
      readonly stopReason: string
      readonly usage: Usage
    },
  ) {
    super(message, { code: 'tool_limit_exceeded' })
    this.limit = options.limit
    this.rounds = options.rounds
    this.stopReason = options.stopReason
    this.usage = options.usage
  }
}
