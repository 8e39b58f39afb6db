import middy from '@middy/core'
import { stepFunctionsTask } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import type { Answered, Classified } from './letter.ts'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'

export const handler = middy(
  modelStep({
    model: bedrock(modelId, {
      maxTokens: 300,
      system:
        'You answer the letters of bank customers: repeat in two sentences what they want, and promise nothing.',
    }),
    source: stepFunctionsTask<Classified>(),
    prompt: ({ text, intent, facts }) =>
      `The letter is about: ${intent}. Facts: ${JSON.stringify(facts)}\n\n<message>${text}</message>`,
    deliver: (reply, letter): Answered => ({ ...letter, reply }),
  }),
).use(retry())
