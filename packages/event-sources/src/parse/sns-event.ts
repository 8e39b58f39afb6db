/** Notifications of SNS: as an event of their own, and in the body of a message of SQS. */

import { InvalidEventError } from '@sluice/core'
import { type Fields, fieldsOf, parseJson, recordsOf, textOf } from './values.ts'

export interface SnsNotification {
  readonly id: string
  readonly message: string
  readonly topicArn: string | undefined
  readonly subject: string | undefined
}

/** @throws InvalidEventError when it is no event of SNS */
export function snsNotifications(event: unknown): SnsNotification[] {
  return recordsOf(event, 'SNS').map(({ Sns }) => notification(fieldsOf(Sns)))
}

/** @throws InvalidEventError when the body is no notification; with raw delivery there is none around the message */
export function snsNotificationIn(body: string): SnsNotification {
  return notification(fieldsOf(parseJson(body, 'The notification of SNS')))
}

/** Whether an event is one of SNS, for sources that take several kinds. */
export function isSnsEvent(event: unknown): boolean {
  const { Records } = fieldsOf(event)
  return Array.isArray(Records) && fieldsOf(Records[0]).EventSource === 'aws:sns'
}

/** Whether what was parsed out of a body is a notification. */
export function isSnsNotification(value: unknown): boolean {
  const { Type, Message } = fieldsOf(value)
  return Type === 'Notification' && typeof Message === 'string'
}

function notification({ MessageId, Message, TopicArn, Subject }: Fields): SnsNotification {
  const id = textOf(MessageId)
  if (id === undefined || typeof Message !== 'string') {
    throw new InvalidEventError('This is no notification of SNS: it has no id or no message.')
  }
  return { id, message: Message, topicArn: textOf(TopicArn), subject: textOf(Subject) }
}
