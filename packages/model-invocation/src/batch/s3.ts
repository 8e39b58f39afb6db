/** Objects of S3 by their URIs: read line by line, written without holding them in memory. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { SluiceError } from '@sluice/core'
import { byteLines } from '../sdk/byte-lines.ts'

export interface S3Location {
  readonly Bucket: string
  readonly Key: string
}

/** @throws TypeError naming the option, when it is no URI of an object or a prefix */
export function s3Location(option: string, uri: unknown): S3Location {
  const [, Bucket, Key = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(String(uri)) ?? []
  if (Bucket) return { Bucket, Key }
  throw new TypeError(`${option} is ${JSON.stringify(uri)}. Give a URI such as "s3://bucket/folder/".`)
}

/** A prefix that names a folder. */
export function s3Folder(option: string, uri: unknown): S3Location {
  const { Bucket, Key } = s3Location(option, uri)
  return { Bucket, Key: Key === '' || Key.endsWith('/') ? Key : `${Key}/` }
}

export function s3Uri({ Bucket, Key }: S3Location): string {
  return `s3://${Bucket}/${Key}`
}

interface Sending {
  readonly signal?: AbortSignal | undefined
}

function sending({ signal }: Sending): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {}
}

/** The lines of an object as they arrive. */
export async function* linesOf(s3: S3Client, location: S3Location, options: Sending): AsyncGenerator<string> {
  const { Body } = await s3.send(new GetObjectCommand(location), sending(options))
  const lines = byteLines()
  for await (const bytes of (Body ?? []) as AsyncIterable<Uint8Array>) yield* lines.push(bytes)
  yield* lines.end()
}

/** The text of an object, or undefined when there is none. */
export async function textOf(
  s3: S3Client,
  location: S3Location,
  options: Sending,
): Promise<string | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand(location), sending(options))
    return (await Body?.transformToString()) ?? ''
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return undefined
    throw error
  }
}

/** All keys that begin with a prefix, in order. */
export async function* keysUnder(
  s3: S3Client,
  { Bucket, Key: Prefix }: S3Location,
  options: Sending,
): AsyncGenerator<string> {
  let ContinuationToken: string | undefined
  do {
    const command = new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken })
    const page = await s3.send(command, sending(options))
    for (const { Key = '' } of page.Contents ?? []) if (!Key.endsWith('/')) yield Key
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken)
}

/** S3 takes no smaller parts but the last. */
const partBytes = 8 * 1024 * 1024

/**
 * Writes an object piece by piece, in parts where it is long. When the pieces throw, nothing is written.
 *
 * @throws what `pieces` throws, and what S3 does
 */
export async function writeObject(
  s3: S3Client,
  location: S3Location,
  pieces: AsyncIterable<string>,
  { ContentType, ...options }: Sending & { readonly ContentType: string },
): Promise<void> {
  const parts: { ETag: string | undefined; PartNumber: number }[] = []
  let UploadId: string | undefined
  let waiting: Buffer[] = []
  let waitingBytes = 0

  async function flush(): Promise<void> {
    const Body = Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    if (!UploadId) {
      const created = await s3.send(
        new CreateMultipartUploadCommand({ ...location, ContentType }),
        sending(options),
      )
      UploadId = created.UploadId
    }
    const PartNumber = parts.length + 1
    const command = new UploadPartCommand({ ...location, UploadId, PartNumber, Body })
    const { ETag } = await s3.send(command, sending(options))
    parts.push({ ETag, PartNumber })
  }

  try {
    for await (const piece of pieces) {
      const bytes = Buffer.from(piece)
      waiting.push(bytes)
      waitingBytes += bytes.length
      if (waitingBytes >= partBytes) await flush()
    }
    if (!UploadId) {
      const Body = Buffer.concat(waiting)
      await s3.send(new PutObjectCommand({ ...location, Body, ContentType }), sending(options))
      return
    }
    if (waitingBytes > 0) await flush()
    const MultipartUpload = { Parts: parts }
    await s3.send(
      new CompleteMultipartUploadCommand({ ...location, UploadId, MultipartUpload }),
      sending(options),
    )
  } catch (error) {
    // Not with the signal: it may be what ended the upload, and the parts would be paid for until somebody finds them.
    if (UploadId) await s3.send(new AbortMultipartUploadCommand({ ...location, UploadId })).catch(() => {})
    throw error
  }
}

/** A line as JSON. @throws SluiceError that names the place and quotes nothing */
export function parseLine(line: string, location: S3Location, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new SluiceError(`Line ${number} of ${s3Uri(location)} is not JSON.`, { code: 'unexpected' })
  }
}
