import { setTimeout as delay } from 'node:timers/promises'
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { InvokeResult, LocalFunction } from './lambda/function.ts'
import { s3Event } from './s3-event.ts'
import type { ObjectCreated, StorageServer } from './storage-server.ts'

export interface BucketDefinition<FunctionName extends string = string> {
  /** Told of every object written, whichever client wrote it. */
  readonly function?: FunctionName
  /** Only keys that begin so. */
  readonly prefix?: string
  /** Only keys that end so. */
  readonly suffix?: string
  /** How often a failed event is sent again, as for every asynchronous invocation. @default 2 */
  readonly retries?: number
  /** The wait before each of them; AWS waits one minute, then two. @default 1000 */
  readonly retryDelayMs?: number
}

export interface LocalBucket {
  readonly name: string
  put(key: string, body: string | Uint8Array): Promise<void>
  /** @throws NoSuchKey of the SDK */
  get(key: string): Promise<string>
  /** Resolves when every notification so far has been answered or given up. */
  settled(): Promise<void>
  /** The events given up after their last retry. */
  failures(): readonly FailedNotification[]
  close(): Promise<void>
}

export interface FailedNotification {
  readonly key: string
  readonly result: InvokeResult
}

export async function startBucket(
  name: string,
  { prefix = '', suffix = '', retries = 2, retryDelayMs = 1_000 }: BucketDefinition,
  { s3, changes }: StorageServer,
  target: LocalFunction | undefined,
): Promise<LocalBucket> {
  await s3.send(new CreateBucketCommand({ Bucket: name }))
  const stop = new AbortController()
  const pending = new Set<Promise<void>>()
  const failures: FailedNotification[] = []

  function onObject(created: ObjectCreated): void {
    const { bucketName, key } = created
    if (!target || bucketName !== name || !key.startsWith(prefix) || !key.endsWith(suffix)) return
    const notification = notify(target, created).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error
    })
    pending.add(notification)
    void notification.finally(() => pending.delete(notification))
  }

  async function notify(receiver: LocalFunction, created: ObjectCreated): Promise<void> {
    const { key } = created
    const { ContentLength = 0, ETag = '' } = await s3.send(new HeadObjectCommand({ Bucket: name, Key: key }))
    const event = s3Event({ ...created, sizeBytes: ContentLength, eTag: ETag })
    for (let attempt = 0; ; attempt++) {
      const result = await receiver.invoke(event, { signal: stop.signal })
      if (!result.error) return
      if (attempt === retries) {
        failures.push({ key, result })
        return
      }
      await delay(retryDelayMs, undefined, { signal: stop.signal })
    }
  }

  changes.on('object', onObject)
  return {
    name,
    async put(key, body) {
      await s3.send(new PutObjectCommand({ Bucket: name, Key: key, Body: body }))
    },
    async get(key) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: name, Key: key }))
      return (await Body?.transformToString()) ?? ''
    },
    async settled() {
      while (pending.size > 0) await Promise.all(pending)
    },
    failures: () => [...failures],
    async close() {
      changes.off('object', onObject)
      stop.abort()
      await Promise.all(pending)
    },
  }
}
