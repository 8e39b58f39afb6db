/** Failures of Bedrock and of the way to it, mapped once. Policies read `retryable`, never a status code. */

import {
  CallAbortedError,
  ModelError,
  ModelThrottledError,
  SluiceError,
  type SluiceErrorCode,
  TransportError,
} from '@sluice/core'

interface SdkError extends Error {
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Record<string, string> }
}

/** What to do about an answer of the provider, by its HTTP status. */
const kinds: Readonly<Record<number, readonly [code: SluiceErrorCode, help: string]>> = {
  400: [
    'invalid_request',
    'The request does not fit this model; Bedrock says why in the cause of this error.',
  ],
  403: [
    'access_denied',
    'Allow bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on this model.',
  ],
  404: ['not_found', 'Check the model id and its Region.'],
  // Not retried by the SDK either: the model has run, and would run as long again.
  408: ['model_failed', 'The model took too long. Ask for fewer tokens, or stream.'],
  424: ['model_failed', 'The model failed on this request.'],
  503: ['unavailable', 'The service failed; the same request may succeed.'],
}

/** The status of exceptions that come inside a stream, without one. In lower case: there the names are spelled otherwise. */
const streamStatus: Readonly<Record<string, number>> = {
  accessdeniedexception: 403,
  internalserverexception: 500,
  modelerrorexception: 424,
  modelstreamerrorexception: 424,
  modeltimeoutexception: 408,
  resourcenotfoundexception: 404,
  serviceunavailableexception: 503,
  validationexception: 400,
}

/** Advice where the message of the provider tells more than its status. */
const hints: readonly (readonly [pattern: RegExp, help: string])[] = [
  [
    /on-demand throughput/i,
    'This model needs an inference profile: put "us.", "eu." or "global." before the id.',
  ],
  [/model identifier/i, 'There is no model with this id in this Region.'],
  [
    /too long|too many (input )?tokens/i,
    'The prompt is longer than the context of the model. Shorten or split it.',
  ],
]

/** Maps whatever a Bedrock call threw. The original is the `cause`; its message, which may quote the payload, is not repeated. */
export function toSluiceError(thrown: unknown): SluiceError {
  if (SluiceError.is(thrown)) return thrown
  const error = (thrown instanceof Error ? thrown : new Error('no Error', { cause: thrown })) as SdkError
  const { message } = error
  const name = error.name.toLowerCase()
  const status = error.$metadata?.httpStatusCode ?? streamStatus[name]
  const said = { cause: error, retryAfterMs: retryAfterMs(error) }
  if (name === 'aborterror')
    return new CallAbortedError('The call was aborted.', { code: 'aborted', cause: error })
  if (status === 429 || /^(throttl|toomanyreq|requestlimit|slowdown)/.test(name))
    return throttled(error, said)
  if (status !== undefined && status >= 400) {
    const known = status < 500 ? (kinds[status] ?? kinds[400]) : kinds[503]
    const [code, help] = known as (typeof kinds)[number]
    const hint = hints.find(([pattern]) => pattern.test(message))
    return new ModelError(`Bedrock answered ${error.name}. ${hint?.[1] ?? help}`, {
      ...said,
      code,
      statusCode: status === 424 || status === 408 ? 502 : status,
      // "Retry your request", says AWS of the one, not of its sibling.
      retryable: status >= 500 || name === 'modelstreamerrorexception',
    })
  }
  return transportError(error)
}

function throttled(
  { name, message }: SdkError,
  said: { cause: Error; retryAfterMs: number | undefined },
): SluiceError {
  const daily = /per day/i.test(message)
  return new ModelThrottledError(
    `Bedrock answered ${name}: the quota of this ${
      daily
        ? 'day is used up. Waiting does not help; use another model, or ask for more.'
        : 'minute is used up.'
    }`,
    { ...said, code: daily ? 'daily_quota_exceeded' : 'throttled', statusCode: 429, retryable: !daily },
  )
}

const notConnected = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

function transportError(error: SdkError): SluiceError {
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
      `No answer came from Bedrock (${code || name}). ${
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
