import middy from '@middy/core'
import type { Usage } from '@sluice/core'
import { priceBook, priceOf } from '@sluice/cost-meter'
import { modelInvocation, runTools, tool } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const prices = priceBook()

const openingHours = tool({
  name: 'opening_hours',
  description: 'When a branch is open, by the name of its street or place',
  input: z.object({ branch: z.string() }),
  run: () => '9 to 17',
})

export const handler = middy<{ text: string; maxCostUsd: number }>()
  .use(modelInvocation({ model: bedrock('us.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
  .handler(async ({ text, maxCostUsd }, { model }) => {
    const catalogue = await prices.open(model.modelId)
    const costUsd = (usage: Usage, modelId: string): number => {
      const region = process.env.AWS_REGION
      const price = priceOf({ provider: 'bedrock', modelId, usage, atMs: Date.now(), region }, catalogue)
      // Without a price there is no second round.
      return price.priced ? price.picoUsd / 1e12 : Number.POSITIVE_INFINITY
    }
    return (await runTools(model, text, { tools: [openingHours], maxCostUsd, costUsd })).text
  })
