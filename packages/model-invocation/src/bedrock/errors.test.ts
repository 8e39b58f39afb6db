import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { isRefused } from '../sdk/errors.ts'
import { toSluiceError } from './errors.ts'

function failure(name: string, message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), { name, ...fields })
}

const answered = (httpStatusCode: number, headers: Record<string, string> = {}) => ({
  $metadata: { httpStatusCode },
  $response: { headers },
})

interface Mapped {
  readonly thrown: Error
  readonly expected: {
    name?: string
    code: string
    retryable: boolean
    unbilled: boolean
    retryAfterMs?: number
  }
}

const table: Readonly<Record<string, Mapped>> = {
  'a time-out of the request over HTTP/1.1: the model may be at work': {
    thrown: failure(
      'TimeoutError',
      '@smithy/node-http-handler - [ERROR] a request has exceeded the configured 150 ms requestTimeout.',
      {
        code: 'ETIMEDOUT',
      },
    ),
    expected: { code: 'transport_failed', retryable: false, unbilled: false },
  },
  'a silent socket over HTTP/1.1': {
    thrown: failure(
      'TimeoutError',
      '@smithy/node-http-handler - the request socket timed out after 150 ms of inactivity (configured by client requestHandler).',
    ),
    expected: { code: 'transport_failed', retryable: false, unbilled: false },
  },
  'a silent stream over HTTP/2': {
    thrown: failure('TimeoutError', 'Stream timed out because of no activity for 150 ms'),
    expected: { code: 'transport_failed', retryable: false, unbilled: false },
  },
  'a connection that was never made': {
    thrown: failure(
      'TimeoutError',
      '@smithy/node-http-handler - the request socket did not establish a connection with the server within the configured timeout of 100 ms.',
    ),
    expected: { code: 'transport_failed', retryable: true, unbilled: true },
  },
  'a session that died under its request': {
    thrown: failure('TimeoutError', 'Unexpected error: http2 request did not get a response'),
    expected: { code: 'transport_failed', retryable: true, unbilled: false },
  },
  'a connection that the other side reset, as the HTTP/1.1 handler calls it': {
    thrown: failure('TimeoutError', 'read ECONNRESET', { code: 'ECONNRESET', syscall: 'read' }),
    expected: { code: 'transport_failed', retryable: true, unbilled: false },
  },
  'a connection on which nothing arrives any more': {
    thrown: failure('TimeoutError', 'read ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'read' }),
    expected: { code: 'transport_failed', retryable: true, unbilled: false },
  },
  'nobody there': {
    thrown: failure('Error', 'connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED' }),
    expected: { code: 'transport_failed', retryable: true, unbilled: true },
  },
  'no such host': {
    thrown: failure('Error', 'getaddrinfo ENOTFOUND bedrock', { code: 'ENOTFOUND' }),
    expected: { code: 'transport_failed', retryable: true, unbilled: true },
  },
  'a refused stream': {
    thrown: failure('Error', 'Stream closed with error code NGHTTP2_REFUSED_STREAM', {
      code: 'ERR_HTTP2_STREAM_ERROR',
    }),
    expected: { code: 'transport_failed', retryable: true, unbilled: true },
  },
  'a reset stream': {
    thrown: failure('Error', 'Stream closed with error code NGHTTP2_INTERNAL_ERROR', {
      code: 'ERR_HTTP2_STREAM_ERROR',
    }),
    expected: { code: 'transport_failed', retryable: true, unbilled: false },
  },
  'no credentials': {
    thrown: failure('CredentialsProviderError', 'Could not load credentials from any providers'),
    expected: { code: 'unexpected', retryable: false, unbilled: false },
  },
  'a throttle with a hint in seconds': {
    thrown: failure('ThrottlingException', 'Too many requests', answered(429, { 'retry-after': '2' })),
    expected: {
      name: 'ModelThrottledError',
      code: 'throttled',
      retryable: true,
      unbilled: true,
      retryAfterMs: 2_000,
    },
  },
  'a throttle with a hint in milliseconds': {
    thrown: failure(
      'ThrottlingException',
      'Too many requests',
      answered(429, { 'x-amz-retry-after': '250', 'retry-after': '9' }),
    ),
    expected: { code: 'throttled', retryable: true, unbilled: true, retryAfterMs: 250 },
  },
  'a throttle in a stream, as streams spell it': {
    thrown: failure('throttlingException', 'Too many requests'),
    expected: { code: 'throttled', retryable: true, unbilled: true },
  },
  'a model that is not ready': {
    thrown: failure('ModelNotReadyException', 'Model is not ready', answered(429)),
    expected: { code: 'throttled', retryable: true, unbilled: true },
  },
  'a daily quota': {
    thrown: failure('ThrottlingException', 'Too many tokens per day, please wait', answered(429)),
    expected: { code: 'daily_quota_exceeded', retryable: false, unbilled: true },
  },
  'an outage by a name that nobody listed': {
    thrown: failure('BandwidthLimitExceeded', 'no', answered(509)),
    expected: { code: 'unavailable', retryable: true, unbilled: true },
  },
  'a failure while streaming': {
    thrown: failure('modelStreamErrorException', 'no'),
    expected: { code: 'model_failed', retryable: true, unbilled: true },
  },
  'a model that took too long': {
    thrown: failure('ModelTimeoutException', 'no', answered(408)),
    expected: { code: 'model_failed', retryable: false, unbilled: true },
  },
}

for (const [name, { thrown, expected }] of Object.entries(table)) {
  test(name, () => {
    const error = toSluiceError(thrown)
    expect(error).toMatchObject(expected)
    expect(error.cause).toBe(thrown)
    expect(error.message).not.toContain(thrown.message)
  })
}

test.for([undefined, null, 'text', { message: 'an object' }])('%o, which is no error', (thrown) => {
  expect(SluiceError.is(toSluiceError(thrown))).toBe(true)
  expect(isRefused(failure('Error', 'text'))).toBe(false)
})

test('an error of ours stays what it is', () => {
  const own = new SluiceError('own', { code: 'unexpected' })
  expect(toSluiceError(own)).toBe(own)
})
