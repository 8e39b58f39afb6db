import middy from '@middy/core'
import { modelInvocation, runTools, tool } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'

const hours = new Map([
  ['main street', '9 to 17'],
  ['station', '7 to 20'],
])

const openingHours = tool({
  name: 'opening_hours',
  description: 'When a branch is open, by the name of its street or place',
  input: z.object({ branch: z.string() }),
  run: ({ branch }) => hours.get(branch.toLowerCase()) ?? { unknown: branch, known: [...hours.keys()] },
})

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }) }))
  .handler(async ({ text }, { model }) => {
    const answer = await runTools(model, text, { tools: [openingHours], maxRounds: 3, maxTokens: 20_000 })
    return { reply: answer.text, rounds: answer.rounds }
  })
