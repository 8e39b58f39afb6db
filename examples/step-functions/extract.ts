import middy from '@middy/core'
import { stepFunctionsTask } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { type Extracted, Facts, type Letter } from './letter.ts'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'

export const handler = middy(
  modelStep({
    model: bedrock(modelId, { maxTokens: 300, temperature: 0 }),
    source: stepFunctionsTask<Letter>(),
    prompt: ({ text }) => `Extract the facts. What is not said is null.\n\n<message>${text}</message>`,
    schema: Facts,
    deliver: (facts, letter): Extracted => ({ ...letter, facts }),
  }),
).use(retry())
