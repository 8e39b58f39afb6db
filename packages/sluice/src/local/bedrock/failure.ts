/** How a service of the local cloud says that it failed. */
import type { RequestEntry } from './counters.ts'
import { exceptionFrame } from './event-stream.ts'
import type { Exchange } from './exchange.ts'
import { ServiceError } from './service-error.ts'

/** What a service calls its own failures, and how it spells all of them. */
export interface FailureWording {
  /** The exception of a service that failed by itself. */
  readonly internal: string
  /** The member of a stream's union that says the same inside of a stream. */
  readonly inStream: string
  body(error: ServiceError): object
}

const bedrock: FailureWording = {
  internal: 'InternalServerException',
  inStream: 'internalServerException',
  body: ({ message }) => ({ message }),
}

/** Answers with an error, or notes that nobody waits for an answer any more. Tells the outcome. */
export function fail(
  exchange: Exchange,
  { record, sent }: RequestEntry,
  error: unknown,
  { internal, inStream, body }: FailureWording = bedrock,
): string {
  if (exchange.signal.aborted || (error as Error)?.name === 'AbortError') {
    record.aborted = true
    return 'aborted'
  }
  const known =
    error instanceof ServiceError
      ? error
      : new ServiceError(internal, 500, `The local endpoint failed: ${error}`)
  if (record.status !== 0) {
    // The headers are gone and so is the status; only streams can fail this late.
    exchange.end(exceptionFrame(inStream, known.message))
    return known.name
  }
  record.status = known.status
  const bytes = Buffer.from(JSON.stringify(body(known)))
  sent(bytes.length)
  exchange.head(known.status, {
    'content-type': 'application/json',
    'content-length': String(bytes.length),
    'x-amzn-requestid': record.id,
    'x-amzn-errortype': `${known.name}:http://internal.amazon.com/coral/com.amazon/`,
    ...known.headers,
  })
  exchange.end(bytes)
  return known.name === 'ThrottlingException' ? 'throttled' : known.name
}
