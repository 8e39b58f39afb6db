/**
 * Objects that an event tells of: in a notification of S3 or an event of EventBridge, and in what these travel in.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */

import { InvalidEventError } from '@sluice/core'
import { bridgeEvent, isBridgeEvent } from './event-bridge-event.ts'
import { isSnsEvent, isSnsNotification, snsNotificationIn, snsNotifications } from './sns-event.ts'
import { isSqsEvent, sqsMessages } from './sqs-event.ts'
import { type Fields, fieldsOf, numberOf, parseJson, recordsOf, textOf } from './values.ts'

/** An object as an event tells of it. */
export interface S3ObjectNotice {
  readonly bucket: string
  /** As it is in the bucket, decoded. */
  readonly key: string
  readonly versionId: string | undefined
  readonly sizeBytes: number | undefined
  readonly eTag: string | undefined
  /** Orders the events of one key: the later the greater, once the shorter one has been padded with zeros on its left. */
  readonly sequencer: string | undefined
  /** What happened, as S3 calls it: `ObjectCreated:Put`; of EventBridge the detail type: `Object Created`. */
  readonly eventName: string
}

/** What one message, or the event itself, tells of. */
export interface S3Notices {
  /** The message of SQS, where there is one. */
  readonly messageId: string | undefined
  /** A message that cannot be read has failed alone. */
  readonly objects: readonly S3ObjectNotice[] | Error
}

/** @throws InvalidEventError when it tells of no objects and is no message either */
export function s3Notices(event: unknown): S3Notices[] {
  if (isSqsEvent(event)) {
    return sqsMessages(event).map(({ id, body }) => ({ messageId: id, objects: inBody(body) }))
  }
  if (isSnsEvent(event)) {
    const objects = snsNotifications(event).flatMap(({ message }) => objectsIn(parseJson(message, notice)))
    return [{ messageId: undefined, objects }]
  }
  return [{ messageId: undefined, objects: objectsIn(event) }]
}

const notice = 'The notification of S3'

function inBody(body: string): readonly S3ObjectNotice[] | Error {
  try {
    const told = parseJson(body, notice)
    return objectsIn(isSnsNotification(told) ? parseJson(snsNotificationIn(body).message, notice) : told)
  } catch (error) {
    return error as Error
  }
}

function objectsIn(told: unknown): readonly S3ObjectNotice[] {
  if (isBridgeEvent(told)) return [ofBridge(told)]
  // Sent once, when somebody sets the notification up.
  if (fieldsOf(told).Event === 's3:TestEvent') return []
  return recordsOf(told, 'S3').map(ofNotification)
}

function ofNotification({ eventName, s3 }: Fields): S3ObjectNotice {
  const { bucket, object } = fieldsOf(s3)
  const { name } = fieldsOf(bucket)
  const { key, size, eTag, versionId, sequencer } = fieldsOf(object)
  const encoded = textOf(key)
  return found(name, encoded && decoded(encoded), eventName, { versionId, size, eTag, sequencer })
}

/** Of EventBridge the key comes as it is. */
function ofBridge(event: unknown): S3ObjectNotice {
  const { detail, detailType, source } = bridgeEvent(event)
  if (source !== 'aws.s3') throw new InvalidEventError('The event of EventBridge is none of S3.')
  const { bucket, object } = fieldsOf(detail)
  const { key, size, etag, 'version-id': versionId, sequencer } = fieldsOf(object)
  return found(fieldsOf(bucket).name, textOf(key), detailType, { versionId, size, eTag: etag, sequencer })
}

function found(bucket: unknown, key: string | undefined, name: unknown, more: Fields): S3ObjectNotice {
  const [bucketName, eventName] = [textOf(bucket), textOf(name)]
  if (!bucketName || !key || !eventName) {
    throw new InvalidEventError('The event is none of S3: it wants a bucket, a key and what happened.')
  }
  return {
    bucket: bucketName,
    key,
    versionId: textOf(more.versionId),
    sizeBytes: numberOf(more.size),
    eTag: textOf(more.eTag),
    sequencer: textOf(more.sequencer),
    eventName,
  }
}

/** As in a form: a space is a plus. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch (cause) {
    throw new InvalidEventError('The key of the object is not encoded as S3 does it.', { cause })
  }
}
