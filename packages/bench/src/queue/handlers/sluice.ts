/** The chain as the documentation has it: deferral, the shared quota, and Powertools against paying twice. */

import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache'
import middy from '@middy/core'
import { createClient } from '@redis/client'
import { sqsBatch } from '@sluice/event-sources'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { type BedrockModel, bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { redisQuotaStore } from '@sluice/store/redis'
import { timeoutGuard } from '@sluice/timeout-guard'
import type { Context, SQSEvent } from 'aws-lambda'
import { deliver, maxTokens, modelId, question, readTicket, type Ticket } from './ticket.ts'

const { REDIS_URL = '', REQUESTS_PER_MINUTE, BURST_REQUESTS, MAX_WAIT_MS } = process.env

const redis = createClient({ url: REDIS_URL })
await redis.connect()

const config = new IdempotencyConfig({ eventKeyJmesPath: 'id', throwOnNoIdempotencyKey: true })

const answerOnce = makeIdempotent(
  async (ticket: Required<Ticket>, model: BedrockModel, invocation: string) => {
    const { text } = await model.invoke(question(ticket, invocation))
    await deliver(redis, ticket, invocation)
    return { characters: text.length }
  },
  { persistenceStore: new CachePersistenceLayer({ client: redis }), config },
)

const tickets = sqsBatch({
  parse: readTicket,
  atReceiveLimit: 'sendAgain',
})

export const handler = middy<SQSEvent>()
  .use(tickets)
  .use(modelInvocation({ model: bedrock(modelId, { maxTokens }) }))
  .use(timeoutGuard())
  .use(
    quotaThrottle({
      quotas: { requestsPerMinute: Number(REQUESTS_PER_MINUTE), burstRequests: Number(BURST_REQUESTS) },
      store: redisQuotaStore({ client: redis }),
      maxWaitMs: Number(MAX_WAIT_MS),
    }),
  )
  .use(retry())
  .handler(
    tickets.handler((ticket, _record, context: Context & { readonly model: BedrockModel }) => {
      config.registerLambdaContext(context)
      return answerOnce(ticket, context.model, context.awsRequestId)
    }),
  )
