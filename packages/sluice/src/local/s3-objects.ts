/** Objects of the local bucket, by their URIs. */
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { ServiceError } from './bedrock/service-error.ts'

/** @internal */
export interface S3Location {
  readonly Bucket: string
  readonly Key: string
}

/** @internal @throws ServiceError when it is no URI of an object or a prefix */
export function s3Location(uri: unknown): S3Location {
  const [, Bucket, Key = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(String(uri)) ?? []
  if (!Bucket) throw new ServiceError('ValidationException', 400, `${JSON.stringify(uri)} is no S3 URI.`)
  return { Bucket, Key }
}

/** @internal The text of an object. */
export async function readObject(s3: S3Client, location: S3Location): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand(location))
  return (await Body?.transformToString()) ?? ''
}

/** @internal */
export async function writeObject(s3: S3Client, location: S3Location, body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ ...location, Body: body }))
}

/** @internal All keys that begin with a prefix, in order. */
export async function keysUnder(s3: S3Client, { Bucket, Key: Prefix }: S3Location): Promise<string[]> {
  const keys: string[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }))
    for (const { Key } of page.Contents ?? []) if (Key !== undefined && !Key.endsWith('/')) keys.push(Key)
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken)
  return keys
}
