/** Clients of AWS that are only needed now and then: imported, and made, when they are. */

import type { S3Client } from '@aws-sdk/client-s3'
import type { SQSClient } from '@aws-sdk/client-sqs'

/** A client, and the commands for it. */
export interface Connection<Client extends { readonly send: unknown }, Sdk> {
  readonly client: Pick<Client, 'send'>
  readonly sdk: Sdk
}

/** The client that was given, or one of the function's Region, with the commands for it. */
export function sqsConnection(
  given: Pick<SQSClient, 'send'> | undefined,
): () => Promise<Connection<SQSClient, typeof import('@aws-sdk/client-sqs')>> {
  let client = given
  return async () => {
    const sdk = await import('@aws-sdk/client-sqs').catch(notInstalled('@aws-sdk/client-sqs'))
    // The URL is made of the ARN, and so its host would be that of AWS whatever endpoint is configured.
    client ??= new sdk.SQSClient({ useQueueUrlAsEndpoint: false })
    return { client, sdk }
  }
}

/** The client that was given, or one of the function's Region, with the commands for it. */
export function s3Connection(
  given: Pick<S3Client, 'send'> | undefined,
): () => Promise<Connection<S3Client, typeof import('@aws-sdk/client-s3')>> {
  let client = given
  return async () => {
    const sdk = await import('@aws-sdk/client-s3').catch(notInstalled('@aws-sdk/client-s3'))
    client ??= new sdk.S3Client({})
    return { client, sdk }
  }
}

/** A bundler that does not find a package leaves an import with a `catch` to run time. */
export function notInstalled(name: string): (cause: unknown) => never {
  return (cause) => {
    throw new Error(`${name} is not there. Install it, or leave it to the runtime of Lambda.`, { cause })
  }
}
