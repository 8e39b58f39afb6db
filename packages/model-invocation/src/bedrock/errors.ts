/** Failures of Bedrock and of the way to it. Policies read `retryable`, never a status code. */

import type { SluiceError } from '@sluice/core'
import { mapSdkError, type ServiceErrors } from '../sdk/errors.ts'

/** What to do about an answer of the provider, by its HTTP status. */
const kinds: ServiceErrors['kinds'] = {
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
const streamStatus: ServiceErrors['streamStatus'] = {
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
const hints: ServiceErrors['hints'] = [
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

const errors: ServiceErrors = {
  service: 'Bedrock',
  kinds,
  streamStatus,
  hints,
  // "Retry your request", says AWS of the one, not of its sibling.
  isRetryable: (name) => name === 'modelstreamerrorexception',
}

/** Maps whatever a Bedrock call threw. */
export function toSluiceError(thrown: unknown): SluiceError {
  return mapSdkError(thrown, errors)
}
