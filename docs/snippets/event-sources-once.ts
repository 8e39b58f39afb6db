import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb'
import { sqsBatch } from '@sluice/event-sources'
import type { Context } from 'aws-lambda'

const config = new IdempotencyConfig({ eventKeyJmesPath: 'id', throwOnNoIdempotencyKey: true })

const summarise = makeIdempotent(
  async ({ text }: { readonly id: string; readonly text: string }) => ({ summary: text.slice(0, 20) }),
  { persistenceStore: new DynamoDBPersistenceLayer({ tableName: 'done-orders' }), config },
)

export const handler = sqsBatch().handler((text, { id }, context: Context) => {
  config.registerLambdaContext(context)
  return summarise({ id, text })
})
