/** Results that are too large to go from state to state wait in a bucket. */

import { createHash } from 'node:crypto'
import type { S3Client as SdkClient } from '@aws-sdk/client-s3'
import { InvalidEventError } from '@sluice/core'
import { fieldsOf, parseJson, textOf } from './parse/values.ts'
import { s3Connection } from './sdk.ts'

export interface OffloadOptions {
  /** A client of `@aws-sdk/client-s3`. Default: one is made when it is needed. */
  readonly client?: Pick<SdkClient, 'send'>
  readonly bucket: string
  /**
   * What the keys begin with. Give the bucket a rule that lets them expire: nobody else removes them.
   *
   * @default 'offloaded/'
   */
  readonly prefix?: string
}

/** What goes on in place of a result. */
export interface Offloaded {
  readonly offloaded: { readonly bucket: string; readonly key: string; readonly bytes: number }
}

export function offloading({ client: given, bucket, prefix = 'offloaded/' }: OffloadOptions): {
  save(json: string, signal: AbortSignal): Promise<Offloaded>
  load(value: unknown, signal: AbortSignal | undefined): Promise<unknown>
} {
  if (typeof bucket !== 'string' || bucket === '') {
    throw new TypeError('stepFunctionsTask: offload.bucket is missing. Give the name of a bucket.')
  }
  const connect = s3Connection(given)

  return {
    async save(json, signal) {
      const { client, sdk } = await connect()
      // By its content: a task that is tried again writes the same object.
      const key = `${prefix}${createHash('sha256').update(json).digest('hex')}.json`
      const command = new sdk.PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: json,
        ContentType: 'application/json',
      })
      await client.send(command, { abortSignal: signal })
      return { offloaded: { bucket, key, bytes: Buffer.byteLength(json) } }
    },
    async load(value, signal) {
      const { offloaded } = fieldsOf(value)
      if (offloaded === undefined) return value
      const { bucket: from, key } = fieldsOf(offloaded)
      const own = textOf(key)
      // An input must not choose what the role of the function reads.
      if (from !== bucket || !own?.startsWith(prefix)) {
        throw new InvalidEventError(
          'The input lies in another bucket, or under another prefix, than this task offloads to.',
        )
      }
      const { client, sdk } = await connect()
      const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: own })
      const { Body } = await client.send(command, signal ? { abortSignal: signal } : {})
      return parseJson((await Body?.transformToString()) ?? '', 'The offloaded input')
    },
  }
}
