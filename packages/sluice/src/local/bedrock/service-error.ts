/** An error that the endpoint answers with, as AWS spells it. */

/** A failure with the name, the HTTP status and the message that the service would send. */
export class ServiceError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(name: string, status: number, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.name = name
    this.status = status
    this.headers = headers
  }
}

/** The answer to a request that the service cannot read or will not take. */
export const invalid = (message: string): ServiceError =>
  new ServiceError('ValidationException', 400, message)
