/** Failures of SageMaker, of the container behind it and of the way to both. */

import { ModelError, ModelThrottledError, SluiceError } from '@sluice/core'
import { mapSdkError, type SdkError, type ServiceErrors } from '../sdk/errors.ts'

const errors: ServiceErrors = {
  service: 'SageMaker',
  kinds: {
    400: ['invalid_request', 'SageMaker says why in the cause of this error.'],
    403: ['access_denied', 'Allow sagemaker:InvokeEndpoint on this endpoint.'],
    404: ['not_found', 'Check the name of the endpoint and its Region.'],
    424: ['model_failed', 'The container failed on this request; see the logs of the endpoint.'],
    503: ['unavailable', 'The service failed; the same request may succeed.'],
  },
  streamStatus: { internalstreamfailure: 500, modelstreamerror: 424 },
  hints: [
    [/not found|could not find/i, 'There is no such endpoint, variant, component or model in this Region.'],
    [
      /too large|exceed/i,
      'A request may have 25 MB. Send a larger one by way of S3: asynchronous inference.',
    ],
  ],
  isRetryable: () => false,
}

interface ContainerFailure extends SdkError {
  readonly OriginalStatusCode?: number
  readonly ErrorCode?: string
}

/** Maps whatever a call of SageMaker threw. */
export function toSluiceError(thrown: unknown): SluiceError {
  if (SluiceError.is(thrown)) return thrown
  const error = thrown as ContainerFailure
  switch (error?.name) {
    case 'ModelError':
      return containerError(error)
    case 'ModelNotReadyException':
      // The SDK calls it a throttle, for its status; but no quota is at work.
      return failure(
        'unavailable',
        503,
        true,
        'SageMaker is still loading the model. Try again in a moment.',
        error,
      )
    case 'InternalDependencyException':
      return failure('unavailable', 502, false, 'SageMaker failed by something that it depends on.', error)
    case 'ModelStreamError':
      return error.ErrorCode === 'ModelInvocationTimeExceeded'
        ? failure(
            'model_failed',
            502,
            false,
            'The container took longer than a stream may. Ask for fewer tokens.',
            error,
          )
        : failure('model_failed', 502, true, 'The connection to the container broke.', error)
    case 'ValidationError':
    case 'ValidationException':
      return /not found|could not find/i.test(error.message)
        ? failure('not_found', 404, false, `SageMaker answered ${error.name}. ${errors.hints[0]?.[1]}`, error)
        : mapSdkError(thrown, errors)
    default:
      return mapSdkError(thrown, errors)
  }
}

/** What the container itself answered, which SageMaker passes on under one name. */
function containerError(error: ContainerFailure): SluiceError {
  const status = error.OriginalStatusCode ?? 500
  const said = `The container answered ${status}.`
  if (status === 429) {
    return new ModelThrottledError(`${said} It has more requests than it can take.`, {
      code: 'throttled',
      statusCode: 429,
      retryable: true,
      cause: error,
    })
  }
  if (status === 503) return failure('unavailable', 503, true, `${said} It is overloaded or starting.`, error)
  if (status >= 400 && status < 500 && status !== 408) {
    return failure(
      'invalid_request',
      400,
      false,
      `${said} It does not understand the request; see the logs of the endpoint.`,
      error,
    )
  }
  return failure('model_failed', 502, false, `${said} See the logs of the endpoint.`, error)
}

function failure(
  code: SluiceError['code'],
  statusCode: number,
  retryable: boolean,
  message: string,
  cause: Error,
): ModelError {
  return new ModelError(message, { code, statusCode, retryable, cause })
}
