/** What is asked of SQS: how often a message may come, and to take messages back. Nothing here throws. */

import type { MessageAttributeValue, SQSClient } from '@aws-sdk/client-sqs'
import type { SqsMessage } from './parse/sqs-event.ts'
import { fieldsOf, numberOf, parseJson } from './parse/values.ts'
import { sqsConnection } from './sdk.ts'

/** A client of `@aws-sdk/client-sqs`. */
export type SqsClient = Pick<SQSClient, 'send'>

export interface Delayed {
  readonly message: SqsMessage
  readonly seconds: number
}

export interface SqsQueue {
  /** `Infinity` where nobody gives a message up, or where it is not known. */
  receiveLimit(queueArn: string, signal: AbortSignal): Promise<number>
  /** Makes messages come again so much later. Returns those for which that worked. */
  hide(messages: readonly Delayed[], signal: AbortSignal): Promise<ReadonlySet<SqsMessage>>
  /** Sends copies, which come so much later. Returns the messages for which that worked. */
  sendAgain(messages: readonly Delayed[], signal: AbortSignal): Promise<ReadonlySet<SqsMessage>>
}

/** The attribute in which a copy keeps when the first of its line was sent. */
const firstSentName = 'SluiceFirstSentMs'

/** A message of SQS has so many attributes at most. */
const maxAttributes = 10

export function sqsQueue(given: SqsClient | undefined, maxReceiveCount: number | undefined): SqsQueue {
  const limits = new Map<string, Promise<number>>()
  const warned = new Set<string>()
  const connect = sqsConnection(given)

  function warn(text: string): void {
    if (warned.has(text)) return
    warned.add(text)
    process.emitWarning(text, 'SluiceWarning')
  }

  function warnOf(action: string, queueArn: string, what: string, error: unknown): void {
    const { name, code } = fieldsOf(error)
    const denied = /AccessDenied/.test(`${name} ${code}`)
    warn(
      denied
        ? `sqsBatch: ${what}. Allow the function's role ${action} on ${queueArn}.`
        : `sqsBatch: ${what} (${String(name)}). They come when the visibility time-out of the queue is over.`,
    )
  }

  async function readLimit(queueArn: string, signal: AbortSignal): Promise<number> {
    try {
      const { client, sdk } = await connect()
      const { Attributes } = await client.send(
        new sdk.GetQueueAttributesCommand({
          QueueUrl: queueUrl(queueArn),
          AttributeNames: ['RedrivePolicy'],
        }),
        { abortSignal: signal },
      )
      const policy = parseJson(Attributes?.RedrivePolicy ?? '{}', 'The redrive policy')
      return numberOf(fieldsOf(policy).maxReceiveCount) ?? Infinity
    } catch (error) {
      limits.delete(queueArn)
      warnOf(
        'sqs:GetQueueAttributes',
        queueArn,
        'the maxReceiveCount of the queue is not known, so that deferred messages may be given up',
        error,
      )
      return Infinity
    }
  }

  async function each(
    messages: readonly Delayed[],
    action: string,
    what: string,
    send: (messages: readonly Delayed[]) => Promise<readonly string[]>,
  ): Promise<ReadonlySet<SqsMessage>> {
    const batches = Array.from({ length: Math.ceil(messages.length / 10) }, (_, at) =>
      messages.slice(at * 10, at * 10 + 10),
    )
    const done = await Promise.all(
      batches.map(async (batch) => {
        const queueArn = batch[0]?.message.queueArn as string
        try {
          const ids = new Set(await send(batch))
          if (ids.size < batch.length) warnOf(action, queueArn, what, { name: 'some were refused' })
          return batch.filter((_, at) => ids.has(String(at))).map(({ message }) => message)
        } catch (error) {
          warnOf(action, queueArn, what, error)
          return []
        }
      }),
    )
    return new Set(done.flat())
  }

  return {
    async receiveLimit(queueArn, signal) {
      let limit = limits.get(queueArn)
      if (!limit) {
        limit = maxReceiveCount === undefined ? readLimit(queueArn, signal) : Promise.resolve(maxReceiveCount)
        limits.set(queueArn, limit)
      }
      const count = await limit
      if (count < 5) {
        warn(
          `sqsBatch: the queue gives a message up after ${count} receives, and each deferral is one. Set maxReceiveCount in its redrive policy to 10 or more.`,
        )
      }
      return count
    },
    hide: (messages, signal) =>
      each(
        messages.filter(({ message }) => message.receiptHandle !== undefined),
        'sqs:ChangeMessageVisibility',
        'messages could not be deferred',
        async (batch) => {
          const { client, sdk } = await connect()
          const Entries = batch.map(({ message, seconds }, at) => ({
            Id: String(at),
            ReceiptHandle: message.receiptHandle,
            VisibilityTimeout: seconds,
          }))
          const QueueUrl = queueUrl(batch[0]?.message.queueArn as string)
          const command = new sdk.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })
          const { Successful = [] } = await client.send(command, { abortSignal: signal })
          return Successful.map(({ Id = '' }) => Id)
        },
      ),
    sendAgain: (messages, signal) =>
      each(messages, 'sqs:SendMessage', 'messages could not be sent again', async (batch) => {
        const { client, sdk } = await connect()
        const Entries = batch.map(({ message, seconds }, at) => ({
          ...copyOf(message, seconds),
          Id: String(at),
        }))
        const QueueUrl = queueUrl(batch[0]?.message.queueArn as string)
        const command = new sdk.SendMessageBatchCommand({ QueueUrl, Entries })
        const { Successful = [] } = await client.send(command, { abortSignal: signal })
        return Successful.map(({ Id = '' }) => Id)
      }),
  }
}

/** When the message was sent, or the one of which it is a copy. */
export function firstSentMs({ record, sentMs = 0 }: SqsMessage): number {
  const { stringValue } = fieldsOf(fieldsOf(record.messageAttributes)[firstSentName])
  return numberOf(stringValue) ?? sentMs
}

function copyOf(message: SqsMessage, seconds: number) {
  const { record, body } = message
  const attributes = attributesOf(record.messageAttributes)
  // With a full set the age is counted anew; a message that cannot be sent would be worse.
  const full = Object.keys(attributes).length >= maxAttributes && !(firstSentName in attributes)
  const { AWSTraceHeader, MessageGroupId } = fieldsOf(record.attributes)
  return {
    MessageBody: body,
    DelaySeconds: seconds,
    MessageAttributes: full
      ? attributes
      : {
          ...attributes,
          [firstSentName]: { DataType: 'Number', StringValue: String(firstSentMs(message)) },
        },
    ...(typeof MessageGroupId === 'string' && { MessageGroupId }),
    ...(typeof AWSTraceHeader === 'string' && {
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: AWSTraceHeader } },
    }),
  }
}

/** Lambda writes them in another way than SQS takes them. */
function attributesOf(attributes: unknown): Record<string, MessageAttributeValue> {
  return Object.fromEntries(
    Object.entries(fieldsOf(attributes)).map(([name, value]): [string, MessageAttributeValue] => {
      const { dataType, stringValue, binaryValue } = fieldsOf(value)
      return [
        name,
        {
          DataType: String(dataType),
          ...(typeof stringValue === 'string' && { StringValue: stringValue }),
          ...(typeof binaryValue === 'string' && { BinaryValue: Buffer.from(binaryValue, 'base64') }),
        },
      ]
    }),
  )
}

/** A queue's ARN holds all that its URL does. */
function queueUrl(queueArn: string): string {
  const [, partition = '', , region = '', account = '', name = ''] = queueArn.split(':')
  const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return `https://sqs.${region}.${domain}/${account}/${name}`
}
