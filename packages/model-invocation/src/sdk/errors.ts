/** Failures of the AWS SDK and of the way to a service, mapped once. What a service says by them, its table tells. */

import {
  CallAbortedError,
  ModelError,
  ModelThrottledError,
  SluiceError,
  type SluiceErrorCode,
  TransportError,
} from '@sluice/core'

/** As the clients throw it. */
export interface SdkError extends Error {
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Record<string, string> }
}

/** What to do about an answer of a service. */
export type Kind = readonly [code: SluiceErrorCode, help: string]

/** How one service says what went wrong. */
export interface ServiceErrors {
  /** As messages call it. */
  readonly service: string
  /** By HTTP status. 400 stands for all statuses below 500 that are not listed, 503 for all others. */
  readonly kinds: Readonly<Record<number, Kind>>
  /** The status of exceptions that come inside a stream, without one; by their names in lower case. */
  readonly streamStatus: Readonly<Record<string, number>>
  /** Advice where the message of the service tells more than its status. */
  readonly hints: readonly (readonly [pattern: RegExp, help: string])[]
  /** Whether a failure below 500 may go better the next time. */
  isRetryable(name: string): boolean
}

/** Maps whatever a call threw. The original is the `cause`; its message, which may quote the payload, is not repeated. */
export function mapSdkError(thrown: unknown, errors: ServiceErrors): SluiceError {
  if (SluiceError.is(thrown)) return thrown
  const error = (thrown instanceof Error ? thrown : new Error('no Error', { cause: thrown })) as SdkError
  const { message } = error
  const { service, kinds } = errors
  const name = error.name.toLowerCase()
  const status = error.$metadata?.httpStatusCode ?? errors.streamStatus[name]
  const said = { cause: error, retryAfterMs: retryAfterMs(error) }
  if (name === 'aborterror')
    return new CallAbortedError('The call was aborted.', { code: 'aborted', cause: error })
  if (status === 429 || /^(throttl|toomanyreq|requestlimit|slowdown)/.test(name))
    return throttled(service, error, said)
  if (status !== undefined && status >= 400) {
    const [code, help] = (status < 500 ? (kinds[status] ?? kinds[400]) : kinds[503]) as Kind
    const hint = errors.hints.find(([pattern]) => pattern.test(message))
    return new ModelError(`${service} answered ${error.name}. ${hint?.[1] ?? help}`, {
      ...said,
      code,
      statusCode: status === 424 || status === 408 ? 502 : status,
      retryable: status >= 500 || errors.isRetryable(name),
    })
  }
  return transportError(service, error)
}

function throttled(
  service: string,
  { name, message }: SdkError,
  said: { cause: Error; retryAfterMs: number | undefined },
): SluiceError {
  const daily = /per day/i.test(message)
  return new ModelThrottledError(
    `${service} answered ${name}: the quota of this ${
      daily
        ? 'day is used up. Waiting does not help; use another model, or ask for more.'
        : 'minute is used up.'
    }`,
    { ...said, code: daily ? 'daily_quota_exceeded' : 'throttled', statusCode: 429, retryable: !daily },
  )
}

const notConnected = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

function transportError(service: string, error: SdkError): SluiceError {
  const { code = '', name, message } = error
  const unbilled = isRefused(error) || notConnected.test(code) || /not establish/.test(message)
  // The SDK sends again after a time-out of its request: three model runs for one answer. What was sent and not
  // answered is only sent again where the connection, not the model, was at fault; the SDK calls both a time-out.
  const timedOut = name === 'TimeoutError' && /requestTimeout|activity/.test(message)
  const broken =
    name === 'TimeoutError' ||
    /^(ECONNRESET|EPIPE|ETIMEDOUT|ERR_HTTP2)/.test(code) ||
    /http\/?2|hang up/i.test(message)
  if (unbilled || broken) {
    return new TransportError(
      `No answer came from ${service} (${code || name}). ${
        unbilled ? 'Check endpoint, Region and network.' : 'What was sent may have been processed.'
      }`,
      { code: 'transport_failed', statusCode: 504, retryable: !timedOut, unbilled, cause: error },
    )
  }
  return new SluiceError(`The SDK failed (${name}); see the cause of this error.`, {
    code: 'unexpected',
    cause: error,
  })
}

/** Whether the server said that it did not look at the request: it can be sent again as if nothing had happened. */
export function isRefused(error: unknown): boolean {
  const { code, message } = error as SdkError
  return (
    /REFUSED_STREAM/.test(message) ||
    code === 'ERR_HTTP2_GOAWAY_SESSION' ||
    // The session was closing when the stream was about to be opened.
    code === 'ERR_HTTP2_INVALID_SESSION'
  )
}

function retryAfterMs({ $response }: SdkError): number | undefined {
  const { 'x-amz-retry-after': milliseconds, 'retry-after': value } = $response?.headers ?? {}
  const waitMs = Number(milliseconds ?? Number(value) * 1000) || Date.parse(String(value)) - Date.now()
  return waitMs > 0 ? waitMs : undefined
}
