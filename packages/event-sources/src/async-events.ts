/** Events of asynchronous invocations: of EventBridge and of SNS. */

import { readWith, type StandardSchema } from '@sluice/core'
import type { SNSEvent } from 'aws-lambda'
import { type HandlerSource, withHandler } from './as-middleware.ts'
import { type EventReport, eventReport } from './event-report.ts'
import { type BridgeEvent, bridgeEvent } from './parse/event-bridge-event.ts'
import { type SnsNotification, snsNotifications } from './parse/sns-event.ts'
import { checkReading, guarded, textReader } from './read-value.ts'

export interface EventBridgeOptions<Value> {
  /**
   * What an event holds. When it throws, the event is refused.
   *
   * @default its detail
   */
  readonly parse?: (event: BridgeEvent) => Value | Promise<Value>
  /** What it must be. */
  readonly schema?: StandardSchema<Value>
}

/**
 * Events of EventBridge. What may succeed later is thrown, and Lambda sends the event again; what never will is in the
 * report.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { eventBridge } from '@sluice/event-sources'
 *
 * export const handler = eventBridge<{ orderId: string }>().handler(({ orderId }) => console.log(orderId))
 * ```
 */
export function eventBridge<Value = unknown>({
  parse,
  schema,
}: EventBridgeOptions<Value> = {}): HandlerSource<object, Value, EventReport> {
  checkReading('eventBridge', parse, schema)

  async function read(event: BridgeEvent): Promise<Value> {
    const value = await guarded('The event', () => (parse ? parse(event) : event.detail))
    return schema ? readWith(schema, value) : (value as Value)
  }

  return withHandler({
    records(event) {
      const own = bridgeEvent(event)
      return [{ id: own.id, read: () => read(own) }]
    },
    respond: (outcomes, event) => eventReport(outcomes, [bridgeEvent(event).id]),
  })
}

export interface SnsTopicOptions<Value> {
  /**
   * What a notification holds. When it throws, the notification is refused.
   *
   * @default its message: parsed as JSON where there is a schema, else as text
   */
  readonly parse?: (message: string, notification: SnsNotification) => Value | Promise<Value>
  /** What it must be. */
  readonly schema?: StandardSchema<Value>
}

/**
 * Notifications of a topic that invokes the function itself; for one that goes through a queue see `sqsBatch()`. What may
 * succeed later is thrown, and Lambda sends the event again; what never will is in the report.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { snsTopic } from '@sluice/event-sources'
 *
 * export const handler = snsTopic().handler((message) => console.log(message.length))
 * ```
 */
export function snsTopic<Value = string>({
  parse,
  schema,
}: SnsTopicOptions<Value> = {}): HandlerSource<SNSEvent, Value, EventReport> {
  const read = textReader('snsTopic', 'The message', parse, schema)
  return withHandler({
    records: (event) =>
      snsNotifications(event).map((notification) => ({
        id: notification.id,
        read: () => read(notification.message, notification),
      })),
    respond: (outcomes, event) => {
      const ids = snsNotifications(event).map(({ id }) => id)
      return eventReport(outcomes, [...new Set(ids)])
    },
  })
}
