import middy from '@middy/core'
import { sqsBatch } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { dynamoDBQuotaStore } from '@sluice/store/dynamodb'

const {
  MODEL_ID: modelId = 'eu.amazon.nova-lite-v1:0',
  REQUESTS_PER_MINUTE = '60',
  BURST = REQUESTS_PER_MINUTE,
  TABLE_NAME: tableName,
  SANDBOXES = '2',
} = process.env

const letters = sqsBatch({ atReceiveLimit: 'sendAgain' })

export const handler = middy(
  modelStep({
    model: bedrock(modelId, { maxTokens: 60, temperature: 0 }),
    source: letters,
    prompt: (letter) => `Summarise in one sentence:\n\n${letter}`,
    deliver: (summary) => console.log(JSON.stringify({ summary })),
  }),
)
  .use(letters)
  .use(
    quotaThrottle({
      quotas: { requestsPerMinute: Number(REQUESTS_PER_MINUTE), burstRequests: Number(BURST) },
      // A message can wait in its queue, where waiting costs nothing.
      maxWaitMs: 300,
      ...(tableName ? { store: dynamoDBQuotaStore({ tableName }) } : { sandboxes: Number(SANDBOXES) }),
    }),
  )
  .use(retry())
