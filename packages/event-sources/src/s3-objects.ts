/** Objects that are written to a bucket. */

import { type FinishContext, outcomesById, type RecordOutcome, type SourceRecord } from '@sluice/core'
import type { S3Event, SNSEvent, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { type AnsweringSource, answering } from './as-middleware.ts'
import { type EventReport, eventReport } from './event-report.ts'
import { type S3ObjectNotice, s3Notices } from './parse/s3-event.ts'
import { isSqsEvent, sqsMessages } from './parse/sqs-event.ts'
import { checkReading, guarded } from './read-value.ts'
import { type S3Client, type S3Object, s3Reader } from './s3-reader.ts'
import { sqsResponse } from './sqs-batch.ts'
import { type SqsDeferralOptions, sqsDeferral } from './sqs-deferral.ts'

/** A notification, an event of EventBridge, or one of these in messages of a queue or a topic. */
export type S3ObjectsEvent = S3Event | SQSEvent | SNSEvent | object

export interface S3ObjectsOptions<Value> {
  /** A client of `@aws-sdk/client-s3`. Default: one is made when it is needed. */
  readonly client?: S3Client
  /** Which objects are meant: those of this bucket (default: any) whose keys begin so (default: all). */
  readonly input?: S3Location
  /**
   * Where results are written: no part of the input, or the function would feed on its own results. So what is told of
   * them is let go by.
   *
   * @default nowhere in S3
   */
  readonly output?: S3Location
  /** Which of them are meant. Default: all. */
  readonly accept?: (object: S3ObjectNotice) => boolean
  /**
   * Reading a larger object fails.
   *
   * @default 10_000_000
   */
  readonly maxBytes?: number
  /**
   * What an object holds. When it throws, this object has failed.
   *
   * @default the object, to be read with `text()`, `bytes()` or `stream()`
   */
  readonly parse?: (object: S3Object) => Value | Promise<Value>
  /** Where notifications come through a queue: when those that are deferred come again. */
  readonly queue?: SqsDeferralOptions
}

export interface S3Location {
  /** Default: any bucket as input, that of the object as output. */
  readonly bucket?: string
  readonly prefix?: string
}

/**
 * Objects that were written to a bucket, by a notification of S3 or an event of EventBridge, either of them also through
 * SQS or SNS. An object that is told of twice is one record. From a queue the answer is that of `sqsBatch()`. Otherwise
 * what may succeed later is thrown, and Lambda sends the event again; what never will is in the report.
 *
 * @throws TypeError when an option cannot be right, or when input and output of one bucket overlap
 *
 * @example
 * ```ts
 * import { s3Objects } from '@sluice/event-sources'
 *
 * const letters = s3Objects({ input: { prefix: 'letters/' }, output: { prefix: 'summaries/' } })
 *
 * export const handler = letters.handler(async (letter) => {
 *   console.log(letter.key, (await letter.text()).length)
 * })
 * ```
 */
export function s3Objects<Value = S3Object>({
  client,
  input = {},
  output,
  accept = () => true,
  maxBytes = 10_000_000,
  parse = (object) => object as Value,
  queue = {},
}: S3ObjectsOptions<Value> = {}): AnsweringSource<S3ObjectsEvent, Value, EventReport | SQSBatchResponse> {
  checkReading('s3Objects', parse, undefined)
  checkOptions({ input, output, accept, maxBytes })
  const open = s3Reader(client, maxBytes)
  const defer = sqsDeferral('s3Objects', queue)

  function isMeant(object: S3ObjectNotice): boolean {
    const { bucket, key, eventName, sizeBytes = 0 } = object
    // What a console makes as a folder.
    const isMarker = key.endsWith('/') && sizeBytes === 0
    const isWritten = /^Object ?Created\b/.test(eventName)
    return isWritten && !isMarker && isIn(input, bucket, key) && accept(object)
  }

  function messagesOf(event: S3ObjectsEvent): Message[] {
    return s3Notices(event).map(({ messageId = '', objects }): Message => {
      if (objects instanceof Error) return { messageId, ids: [messageId], objects: [], error: objects }
      const meant = objects.filter(isMeant)
      return { messageId, ids: meant.map(idOf), objects: meant }
    })
  }

  function outcomesOf(messages: readonly Message[], outcomes: readonly RecordOutcome[]): RecordOutcome[] {
    const outcomeOf = outcomesById(outcomes)
    const finished = new Map(outcomes.map((outcome) => [outcome.id, outcome]))
    return messages.map(({ messageId, ids }) => {
      // Of a message there is an outcome once it was handed back.
      const own = finished.get(messageId)
      if (own) return own
      const all = ids.map(outcomeOf)
      const worst =
        all.find(({ status }) => status === 'failed') ?? all.find(({ status }) => status !== 'fulfilled')
      return worst ? { ...worst, id: messageId } : { id: messageId, status: 'fulfilled', value: undefined }
    })
  }

  return answering<S3ObjectsEvent, Value, EventReport | SQSBatchResponse>(
    {
      records(event) {
        const records = new Map<string, SourceRecord<Value>>()
        for (const { messageId: id, objects, error } of messagesOf(event)) {
          if (error) records.set(id, { id, read: () => Promise.reject(error) })
          for (const object of objects) {
            const id = idOf(object)
            const read = (signal?: AbortSignal) => guarded('The object', () => parse(open(object, signal)))
            records.set(id, { id, read })
          }
        }
        return [...records.values()]
      },
      async finish(outcomes, event, context: FinishContext) {
        if (!isSqsEvent(event)) return outcomes
        return defer(outcomesOf(messagesOf(event), outcomes), sqsMessages(event), context)
      },
      respond(outcomes, event) {
        const messages = messagesOf(event)
        if (isSqsEvent(event)) return sqsResponse(outcomesOf(messages, outcomes), event)
        return eventReport(outcomes, [...new Set(messages.flatMap(({ ids }) => ids))])
      },
    },
    isSqsEvent,
  )
}

/** What one message tells of, or the event where there are none. */
interface Message {
  /** Empty where there is none. */
  readonly messageId: string
  readonly ids: readonly string[]
  readonly objects: readonly S3ObjectNotice[]
  readonly error?: Error
}

function idOf({ bucket, key, versionId }: S3ObjectNotice): string {
  const version = versionId === undefined ? '' : `?versionId=${versionId}`
  return `s3://${bucket}/${key}${version}`
}

function isIn(location: S3Location, bucket: string, key: string): boolean {
  return (location.bucket ?? bucket) === bucket && key.startsWith(location.prefix ?? '')
}

function checkOptions(options: {
  input: S3Location
  output: S3Location | undefined
  accept: unknown
  maxBytes: number
}): void {
  const { input, output, accept, maxBytes } = options
  if (typeof accept !== 'function') {
    throw new TypeError(`s3Objects: accept is of type ${typeof accept}. Give a function of the object.`)
  }
  if (!(maxBytes > 0))
    throw new TypeError(`s3Objects: maxBytes is ${String(maxBytes)}. Give a number above 0.`)
  if (!output) return
  const [from = '', to = ''] = [input.prefix, output.prefix]
  const apart = input.bucket !== undefined && output.bucket !== undefined && input.bucket !== output.bucket
  if (!apart && (from.startsWith(to) || to.startsWith(from))) {
    throw new TypeError(
      `s3Objects: the prefixes "${from}" (input) and "${to}" (output) overlap. Results would be taken for input, for ever; give prefixes that do not, or two buckets.`,
    )
  }
}
