/** Updates that must not be made twice. */

import type { DynamoDBClient, UpdateItemCommand, UpdateItemCommandOutput } from '@aws-sdk/client-dynamodb'

/** After these DynamoDB has certainly not made the update. */
const refusals = new Set([
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
])

/**
 * Sends a command that the SDK does not repeat where nobody knows whether it was carried out: after a time-out, a lost
 * connection, an error of the server. Works with any client, whatever its `maxAttempts`.
 */
export async function sendOnce(
  client: DynamoDBClient,
  command: UpdateItemCommand,
  options: { readonly abortSignal: AbortSignal },
): Promise<UpdateItemCommandOutput> {
  command.middlewareStack.addRelativeTo(unrepeatable, {
    relation: 'after',
    toMiddleware: 'retryMiddleware',
    name: 'sluiceSendOnce',
  })
  try {
    return await client.send(command, options)
  } catch (error) {
    throw originals.get(error as Error) ?? error
  }
}

function unrepeatable<Request, Response>(
  next: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await next(request)
    } catch (error) {
      if (refusals.has((error as Error).name)) throw error
      throw ambiguous(error)
    }
  }
}

/** Not as its `cause`: the SDK looks there for reasons to retry. */
const originals = new WeakMap<Error, unknown>()

/** The SDK takes an error that it does not know for one that is not to be retried. */
function ambiguous(error: unknown): Error {
  const stranger = new Error('It is not known whether the update was made.')
  originals.set(stranger, error)
  return stranger
}
