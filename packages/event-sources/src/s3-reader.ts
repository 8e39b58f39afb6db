/** Reads objects, up to a size. */

import { Readable } from 'node:stream'
import { arrayBuffer, text } from 'node:stream/consumers'
import type { S3Client as SdkClient } from '@aws-sdk/client-s3'
import { abortError, InvalidEventError, SluiceError } from '@sluice/core'
import type { S3ObjectNotice } from './parse/s3-event.ts'
import { fieldsOf } from './parse/values.ts'
import { PayloadTooLargeError } from './payload-too-large-error.ts'
import { s3Connection } from './sdk.ts'

/** A client of `@aws-sdk/client-s3`. */
export type S3Client = Pick<SdkClient, 'send'>

/** An object that can be read, once. */
export interface S3Object extends S3ObjectNotice {
  /**
   * As it comes. Nothing is kept of it, so that it may be larger than the memory.
   *
   * @throws PayloadTooLargeError, at the start or on the way
   */
  stream(): Promise<Readable>
  bytes(): Promise<Uint8Array>
  /** As UTF-8. */
  text(): Promise<string>
}

export function s3Reader(
  given: S3Client | undefined,
  maxBytes: number,
): (notice: S3ObjectNotice, signal: AbortSignal | undefined) => S3Object {
  const connect = s3Connection(given)

  async function download(
    { bucket, key, versionId }: S3ObjectNotice,
    signal: AbortSignal | undefined,
  ): Promise<Readable> {
    const { client, sdk } = await connect()
    const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId })
    const { Body, ContentLength = 0 } = await client
      .send(command, signal ? { abortSignal: signal } : {})
      .catch((error: unknown) => {
        throw failureOf(error, signal)
      })
    // In Node it is one.
    const body = Body as Readable
    if (ContentLength > maxBytes) {
      body.destroy()
      throw new PayloadTooLargeError('The object', maxBytes)
    }
    return Readable.from(limited(body, maxBytes, signal), { objectMode: false })
  }

  return (notice, signal) => {
    const stream = () => download(notice, signal)
    return {
      ...notice,
      stream,
      // Not a Buffer: those who read documents refuse one.
      bytes: async () => new Uint8Array(await arrayBuffer(await stream())),
      text: async () => text(await stream()),
    }
  }
}

/** The length that was told may be that of something else. Leaving the loop destroys the body. */
async function* limited(
  body: Readable,
  maxBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > maxBytes) throw new PayloadTooLargeError('The object', maxBytes)
      yield chunk
    }
  } catch (error) {
    throw failureOf(error, signal)
  }
}

/** As an error of ours, so that nobody takes what S3 fails with for a fault of the object. */
function failureOf(error: unknown, signal: AbortSignal | undefined): Error {
  if (SluiceError.is(error)) return error
  if (signal?.aborted) return abortError(signal)
  const name = String(fieldsOf(error).name)
  if (name === 'NoSuchKey' || name === 'NoSuchVersion') {
    return new InvalidEventError('The object is gone.', { statusCode: 410, cause: error })
  }
  if (name === 'AccessDenied') {
    return new SluiceError("The object may not be read. Allow the function's role s3:GetObject on it.", {
      code: 'access_denied',
      cause: error,
    })
  }
  const isMissing = name === 'NoSuchBucket'
  return new SluiceError(`The object could not be read (${name}).`, {
    code: isMissing ? 'not_found' : 'unavailable',
    retryable: !isMissing,
    cause: error,
  })
}
