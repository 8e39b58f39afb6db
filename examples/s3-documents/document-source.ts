/** Documents that are uploaded to a bucket, as the records of a step. */
import type { Readable } from 'node:stream'
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { InvalidEventError, outcomesById, SluiceError, type Source } from '@sluice/core'
import type { S3Event, S3EventRecord } from 'aws-lambda'
import { documentText, isDocument } from './document-text.ts'

export interface Document {
  readonly bucket: string
  readonly key: string
  readonly text: string
}

/** What became of the documents of an event; for a destination of the function, if it has one. */
export interface Report {
  readonly analysed: readonly string[]
  readonly refused: readonly { readonly key: string; readonly error: string; readonly message: string }[]
}

export interface DocumentSourceOptions {
  readonly client: S3Client
  /** Only keys that begin so. */
  readonly inputPrefix: string
  /** Where the results go. */
  readonly outputPrefix: string
  /** Larger files are refused. */
  readonly maxBytes?: number
  /** Longer texts are refused. */
  readonly maxCharacters?: number
}

/** @throws TypeError when the prefixes overlap: results would be taken for documents, for ever */
export function documentSource({
  client,
  inputPrefix,
  outputPrefix,
  maxBytes = 10_000_000,
  maxCharacters = 100_000,
}: DocumentSourceOptions): Source<S3Event, Document, Report> {
  if (inputPrefix.startsWith(outputPrefix) || outputPrefix.startsWith(inputPrefix)) {
    throw new TypeError(`The prefixes "${inputPrefix}" (input) and "${outputPrefix}" (output) overlap.`)
  }

  function documentsOf(event: S3Event): { bucket: string; key: string }[] {
    return createdIn(event)
      .map(({ s3 }) => ({ bucket: s3.bucket.name, key: decoded(s3.object.key) }))
      .filter(({ key }) => key.startsWith(inputPrefix) && isDocument(key))
  }

  async function read(bucket: string, key: string): Promise<Document> {
    const bytes = await download(client, { bucket, key, maxBytes })
    const text = await documentText(key, bytes)
    if (text.length > maxCharacters) throw tooLarge(`${text.length} characters`, maxCharacters)
    return { bucket, key, text }
  }

  return {
    records: (event) =>
      documentsOf(event).map(({ bucket, key }) => ({ id: key, read: () => read(bucket, key) })),
    respond(outcomes, event) {
      const outcomeOf = outcomesById(outcomes)
      const all = documentsOf(event).map(({ key }) => outcomeOf(key))
      const refused = all.flatMap((outcome) => {
        if (outcome.status === 'fulfilled') return []
        const { id: key, reason } = outcome
        // Lambda sends the event twice more when it fails. For a document that can never be read it would be in vain.
        if (!isOwnFault(reason)) throw reason
        return [{ key, error: reason.name, message: reason.message }]
      })
      return { analysed: all.filter(({ status }) => status === 'fulfilled').map(({ id }) => id), refused }
    },
  }
}

function isOwnFault(reason: Error): boolean {
  return (
    SluiceError.is(reason) && ['invalid_event', 'invalid_request', 'invalid_answer'].includes(reason.code)
  )
}

function createdIn(event: S3Event): S3EventRecord[] {
  const { Records, Event } = (event ?? {}) as Partial<S3Event & { Event: unknown }>
  // Sent once, when somebody sets up the notification.
  if (Event === 's3:TestEvent') return []
  if (!Array.isArray(Records) || !Records.every(isNotification)) {
    throw new InvalidEventError('The event is none of S3. Is the function notified by a bucket?')
  }
  return Records.filter(({ eventName }) => eventName.startsWith('ObjectCreated:'))
}

function isNotification(record: Partial<S3EventRecord> | null): record is S3EventRecord {
  const { eventName, s3 } = record ?? {}
  return [eventName, s3?.bucket?.name, s3?.object?.key].every((value) => typeof value === 'string')
}

/** As in a form: a space is a plus. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch (cause) {
    throw new InvalidEventError('The key of the object is not encoded as S3 does it.', { cause })
  }
}

async function download(
  client: S3Client,
  { bucket, key, maxBytes }: { bucket: string; key: string; maxBytes: number },
): Promise<Uint8Array> {
  const { Body, ContentLength = 0 } = await client
    .send(new GetObjectCommand({ Bucket: bucket, Key: key }))
    .catch((error: Error) => {
      if (error.name !== 'NoSuchKey') throw error
      throw new InvalidEventError('The document is gone.', { statusCode: 410, cause: error })
    })
  if (ContentLength > maxBytes) {
    ;(Body as Readable).destroy()
    throw tooLarge(`${ContentLength} bytes`, maxBytes)
  }
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}

function tooLarge(size: string, allowed: number): InvalidEventError {
  return new InvalidEventError(`The document has ${size}; ${allowed} are allowed.`, { statusCode: 413 })
}
