import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { BudgetExceededError, budget, costMeter } from '@sluice/cost-meter'
import { guarded } from '@sluice/model-invocation/bedrock'
import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'

interface Ticket {
  readonly customer: string
  readonly text: string
}

const client = guarded(new BedrockRuntimeClient({}))

export const handler = middy<Ticket>()
  .use(costMeter<Ticket>({ tenant: ({ customer }) => customer }))
  .use(
    budget({
      limits: [
        { per: 'tenant', period: 'month', timeZone: 'Europe/Berlin', softUsd: 40, hardUsd: 50 },
        { per: 'all', period: { rollingMs: 3_600_000 }, hardUsd: 20 },
      ],
      store: dynamoDBBudgetStore({ tableName: 'sluice', timeoutMs: 2_000 }),
    }),
  )
  .handler(async ({ text }) => {
    const question = new ConverseCommand({
      modelId: 'us.amazon.nova-lite-v1:0',
      messages: [{ role: 'user', content: [{ text }] }],
      inferenceConfig: { maxTokens: 300 },
    })
    try {
      const { output } = await client.send(question)
      return { answer: output?.message?.content?.[0]?.text }
    } catch (error) {
      if (!(error instanceof BudgetExceededError)) throw error
      return { refused: error.budget, retryAfterMs: error.retryAfterMs }
    }
  })
