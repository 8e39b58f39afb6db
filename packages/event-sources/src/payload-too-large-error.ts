import { SluiceError } from '@sluice/core'

/** A payload is larger than it may be: a message, a body, an object of a bucket, the result of a state. */
export class PayloadTooLargeError extends SluiceError {
  override name = 'PayloadTooLargeError'
  readonly maxBytes: number

  /** `what` says what is too large, and not what is in it. */
  constructor(what: string, maxBytes: number) {
    super(`${what} is larger than the ${maxBytes} bytes that are allowed.`, {
      code: 'payload_too_large',
      statusCode: 413,
      unbilled: true,
    })
    this.maxBytes = maxBytes
  }
}
