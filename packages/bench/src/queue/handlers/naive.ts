/** What one writes first: the bare SDK with its defaults, and Middy's middleware for partial failures. */

import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import sqsPartialBatchFailure from '@middy/sqs-partial-batch-failure'
import { createClient } from '@redis/client'
import type { Context, SQSEvent, SQSRecord } from 'aws-lambda'
import { deliver, maxTokens, modelId, question, readTicket } from './ticket.ts'

const redis = createClient({ url: process.env.REDIS_URL ?? '' })
await redis.connect()
const client = new BedrockRuntimeClient({})

async function work({ body }: SQSRecord, invocation: string): Promise<void> {
  const ticket = readTicket(body)
  const input = { ...question(ticket, invocation), modelId, inferenceConfig: { maxTokens } }
  await client.send(new ConverseCommand(input))
  await deliver(redis, ticket, invocation)
}

export const handler = middy<SQSEvent>()
  .use(
    sqsPartialBatchFailure({
      logger: (reason: Error, { messageId }: SQSRecord) =>
        console.error(JSON.stringify({ record: messageId, error: reason.name })),
    }),
  )
  .handler(({ Records }: SQSEvent, { awsRequestId }: Context) =>
    Promise.allSettled(Records.map((record) => work(record, awsRequestId))),
  )
