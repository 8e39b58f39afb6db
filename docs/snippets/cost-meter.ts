import { Metrics } from '@aws-lambda-powertools/metrics'
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { costMeter } from '@sluice/cost-meter'
import { guarded } from '@sluice/model-invocation/bedrock'

interface Ticket {
  readonly customer: string
  readonly text: string
}

const client = guarded(new BedrockRuntimeClient({}))
const metrics = new Metrics({ namespace: 'Support', serviceName: 'triage' })

export const handler = middy<Ticket>()
  .use(costMeter<Ticket>({ metrics, tenant: ({ customer }) => customer, tags: { feature: 'triage' } }))
  .handler(async ({ text }, { cost }) => {
    const { output } = await client.send(
      new ConverseCommand({
        modelId: 'us.amazon.nova-lite-v1:0',
        messages: [{ role: 'user', content: [{ text }] }],
        inferenceConfig: { maxTokens: 300 },
      }),
    )
    await cost.settled()
    return { answer: output?.message?.content?.[0]?.text, usd: cost.costUsd }
  })
