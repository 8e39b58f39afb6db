/** What may be said of a failure, and to whom. */

import { SluiceError, StreamInterruptedError } from '@sluice/core'

/** Whatever was thrown, as an error of Sluice: for records, for `onFailure`, for the reader. */
export function toFailure(thrown: unknown): SluiceError {
  if (SluiceError.is(thrown)) return thrown
  return new SluiceError('What the handler streams threw an error.', {
    code: 'unexpected',
    cause: thrown,
  })
}

/** What the reader may know: code and retryable always, the message only where the error says that it is made for him. */
export function wordsFor({ code, message, retryable, expose }: SluiceError): {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
} {
  return { code, message: expose ? message : 'The answer broke off before its end.', retryable }
}

/** An answer of Converse without its last word, read through a client that does not notice. */
export function truncated(usage: StreamInterruptedError['usage']): StreamInterruptedError {
  return new StreamInterruptedError('The stream ended before its messageStop.', {
    partial: true,
    usage,
  })
}

/** Prints what is safe to print: of an error that is not of Sluice the name only. */
export function printFailure(failure: SluiceError): void {
  const { cause } = failure
  console.error('tokenStream: the stream failed:', failure, cause instanceof Error ? `(${cause.name})` : '')
}
