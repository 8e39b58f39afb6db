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

interface Kind {
  readonly code: SluiceErrorCode
  readonly statusCode: number
  readonly retryable: boolean
  readonly help: string
}

const unavailable: Kind = {
  code: 'unavailable',
  statusCode: 503,
  retryable: true,
  help: 'The service failed; the same request may succeed.',
}

// By exception name in lower case: in a stream the names are spelled as union members, and unmodelled ones as AWS likes.
const kinds: Readonly<Record<string, Kind>> = {
  accessdeniedexception: {
    code: 'access_denied',
    statusCode: 403,
    retryable: false,
    help: 'Allow bedrock:InvokeModel (for streams bedrock:InvokeModelWithResponseStream) on this model to the function, and enable the model in this Region.',
  },
  validationexception: {
    code: 'invalid_request',
    statusCode: 400,
    retryable: false,
    help: 'The request does not fit this model.',
  },
  resourcenotfoundexception: {
    code: 'not_found',
    statusCode: 404,
    retryable: false,
    help: 'Check the model id, its Region and, for a profile, its ARN.',
  },
  conflictexception: {
    code: 'invalid_request',
    statusCode: 409,
    retryable: false,
    help: 'The request conflicts with one that is running.',
  },
  servicequotaexceededexception: {
    code: 'daily_quota_exceeded',
    statusCode: 429,
    retryable: false,
    help: 'A quota of the account is used up; waiting does not help.',
  },
  modelerrorexception: {
    code: 'model_failed',
    statusCode: 502,
    retryable: false,
    help: 'The model failed on this request.',
  },
  // Not retried by the SDK either: the model has run, and would run as long again.
  modeltimeoutexception: {
    code: 'model_failed',
    statusCode: 504,
    retryable: false,
    help: 'The model took too long. Ask for fewer tokens, or stream.',
  },
  modelstreamerrorexception: {
    code: 'model_failed',
    statusCode: 502,
    retryable: true,
    help: 'The model failed while streaming.',
  },
  internalserverexception: unavailable,
  internalfailure: unavailable,
  serviceunavailableexception: unavailable,
}

const throttles = /^(throttl|toomanyrequests|modelnotready|requestlimitexceeded|slowdown)/

/** Maps whatever a Bedrock call threw. The original is the `cause`; its message, which may quote the payload, is not repeated. */
export function toSluiceError(thrown: unknown): SluiceError {
  if (SluiceError.is(thrown)) return thrown
  if (!(thrown instanceof Error)) {
    return new SluiceError('Something that is no Error was thrown by the SDK.', {
      code: 'unexpected',
      cause: thrown,
    })
  }
  const error = thrown as SdkError
  const name = error.name.toLowerCase()
  const status = error.$metadata?.httpStatusCode
  if (name === 'aborterror')
    return new CallAbortedError('The call was aborted by its signal.', { code: 'aborted', cause: error })
  if (throttles.test(name) || status === 429) return throttled(error)
  const kind = kinds[name] ?? (status === undefined ? undefined : kindOf(status))
  if (kind) {
    return new ModelError(`Bedrock answered ${error.name}. ${hint(error.message) ?? kind.help}`, {
      code: kind.code,
      statusCode: kind.statusCode,
      retryable: kind.retryable,
      retryAfterMs: retryAfterMs(error),
      cause: error,
    })
  }
  return transportError(error)
}

function throttled(error: SdkError): ModelThrottledError {
  const daily = /per day/i.test(error.message)
  return new ModelThrottledError(
    daily
      ? 'Bedrock answered that the tokens of this day are used up. Waiting does not help; use another model or profile, or ask for a higher quota.'
      : `Bedrock answered ${error.name}: the quota of this minute is used up.`,
    {
      code: daily ? 'daily_quota_exceeded' : 'throttled',
      statusCode: 429,
      retryable: !daily,
      retryAfterMs: retryAfterMs(error),
      cause: error,
    },
  )
}

const notConnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

function transportError(error: SdkError): SluiceError {
  const code = error.code ?? ''
  const refused = isRefused(error)
  const neverSent =
    refused || notConnected.has(code) || /without establishing a connection/.test(error.message)
  // The SDK sends again after a time-out of its request: three model runs for one answer. What was sent and
  // not answered is only sent again where the connection, not the model, was at fault.
  const timedOut = error.name === 'TimeoutError' && !neverSent
  const broken =
    /^(ECONNRESET|EPIPE|ERR_HTTP2)/.test(code) || /http2|HTTP\/2|socket hang up/i.test(error.message)
  if (timedOut || neverSent || broken || code === 'ETIMEDOUT') {
    return new TransportError(
      `No answer came from Bedrock (${code || error.name}). ${
        neverSent
          ? 'Check endpoint, Region and network of the function.'
          : 'What was sent may have been processed.'
      }`,
      { code: 'transport_failed', statusCode: 504, retryable: !timedOut, unbilled: neverSent, cause: error },
    )
  }
  return new SluiceError(`The SDK failed (${error.name}). The original is the cause of this error.`, {
    code: 'unexpected',
    cause: error,
  })
}

/** Whether the server said that it did not look at the request: it can be sent again as if nothing had happened. */
export function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as SdkError
  return (
    /NGHTTP2_REFUSED_STREAM/.test(error.message) ||
    code === 'ERR_HTTP2_GOAWAY_SESSION' ||
    // The session was closing when the stream was about to be opened.
    (code === 'ERR_HTTP2_INVALID_SESSION' && /destroyed/.test(error.message))
  )
}

function kindOf(status: number): Kind | undefined {
  if (status >= 500) return unavailable
  if (status === 403) return kinds.accessdeniedexception
  if (status === 404) return kinds.resourcenotfoundexception
  return status >= 400 ? kinds.validationexception : undefined
}

function hint(message: string): string | undefined {
  if (/on-demand throughput/i.test(message)) {
    return 'This model is only served through an inference profile: put a prefix before the id, such as "us.", "eu." or "global.".'
  }
  if (/model identifier is invalid/i.test(message))
    return 'There is no model with this id in this Region. Check the spelling and the Region.'
  if (/too long|too many (input )?tokens/i.test(message))
    return 'The prompt is longer than the context of the model. Shorten or split it.'
  return undefined
}

function retryAfterMs(error: SdkError): number | undefined {
  const headers = error.$response?.headers
  const milliseconds = Number(headers?.['x-amz-retry-after'])
  if (milliseconds > 0) return milliseconds
  const value = headers?.['retry-after']
  if (!value) return undefined
  const seconds = Number(value)
  if (seconds > 0) return seconds * 1000
  const until = Date.parse(value) - Date.now()
  return until > 0 ? until : undefined
}
