import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { S3Client } from '@aws-sdk/client-s3'
import { SQSClient } from '@aws-sdk/client-sqs'
import { buildApp } from 'fauxqs'
import { localCredentials } from './lambda/environment.ts'

/** An object that was written, by whichever client. */
export interface ObjectCreated {
  readonly bucketName: string
  readonly key: string
  readonly eventName: 'ObjectCreated:Put' | 'ObjectCreated:Copy' | 'ObjectCreated:CompleteMultipartUpload'
  readonly requestId: string
}

/** SQS and S3 in this process, on one port of the loopback. */
export interface StorageServer {
  readonly url: string
  readonly sqs: SQSClient
  readonly s3: S3Client
  /** `queue`: a request has changed a queue, or may have. `object`: an object was written. */
  readonly changes: EventEmitter<{ queue: []; object: [ObjectCreated] }>
  /** The bodies in a queue, whatever their state, without receiving them. */
  inspect(queueName: string): Promise<readonly StoredMessage[]>
  close(): Promise<void>
}

/** A message as it lies in its queue. */
export interface StoredMessage {
  readonly messageId: string
  readonly body: string
  readonly receiveCount: number
}

export async function startStorageServer(): Promise<StorageServer> {
  const changes = new EventEmitter<{ queue: []; object: [ObjectCreated] }>()
  changes.setMaxListeners(0)
  // Not `startFauxqs`: that listens on every interface of the machine.
  const app = buildApp({ logger: false })
  app.addHook('onSend', (request, _reply, payload, done) => {
    // The emulator's queue URLs carry a host name that few systems resolve, and the SDK sends to the queue's URL.
    const rewrite = typeof payload === 'string' && queueUrlActions.test(sqsAction(request.headers) ?? '')
    done(null, rewrite ? payload.replaceAll(emulatorHost, 'http://127.0.0.1:') : payload)
  })
  app.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode < 300) {
      const action = sqsAction(request.headers)
      if (action !== undefined && !/^(Get|List)/.test(action)) changes.emit('queue')
      const created = objectCreated(request.method, request.url, 'x-amz-copy-source' in request.headers)
      const requestId = String(reply.getHeader('x-amz-request-id'))
      if (created) changes.emit('object', { ...created, requestId })
    }
    done()
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  } = localCredentials
  const settings = { endpoint: url, region, credentials: { accessKeyId, secretAccessKey } }
  // Each poller of each mapping holds a connection for as long as it waits.
  const sqs = new SQSClient({ ...settings, requestHandler: { httpAgent: { maxSockets: 1_000 } } })
  const s3 = new S3Client(settings)
  return {
    url,
    sqs,
    s3,
    changes,
    async inspect(queueName) {
      const response = await app.inject({ method: 'GET', url: `/_fauxqs/queues/${queueName}` })
      const { ready, delayed, inflight } = response.json().messages
      return [...ready, ...delayed, ...inflight.map((entry: { message: unknown }) => entry.message)].map(
        stored,
      )
    },
    async close() {
      sqs.destroy()
      s3.destroy()
      await app.close()
    },
  }
}

const queueUrlActions = /^(CreateQueue|GetQueueUrl|ListQueues)$/
const emulatorHost = /http:\/\/sqs\.[a-z0-9-]+\.localhost:/g

function sqsAction(headers: IncomingHttpHeaders): string | undefined {
  return String(headers['x-amz-target'] ?? '').match(/^AmazonSQS\.(\w+)$/)?.[1]
}

function objectCreated(
  method: string,
  path: string,
  copied: boolean,
): Omit<ObjectCreated, 'requestId'> | undefined {
  const { pathname, searchParams } = new URL(path, 'http://localhost')
  const [bucketName, ...key] = pathname.slice(1).split('/').map(decodeURIComponent)
  if (!bucketName || key.length === 0 || key[0] === '') return undefined
  const target = { bucketName, key: key.join('/') }
  if (method === 'PUT' && !searchParams.has('partNumber')) {
    return { ...target, eventName: copied ? 'ObjectCreated:Copy' : 'ObjectCreated:Put' }
  }
  return method === 'POST' && searchParams.has('uploadId')
    ? { ...target, eventName: 'ObjectCreated:CompleteMultipartUpload' }
    : undefined
}

function stored(message: {
  messageId: string
  body: string
  approximateReceiveCount: number
}): StoredMessage {
  return { messageId: message.messageId, body: message.body, receiveCount: message.approximateReceiveCount }
}
