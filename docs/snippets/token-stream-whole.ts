import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { tokenStream } from '@sluice/token-stream'

/** Without Middy's streaming mode: for an HTTP API, which cannot stream, or for another function that asks. */
export const handler = middy<{ body: string }>()
  .use(tokenStream({ delivery: 'json' }))
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 1_000 }) }))
  .handler(({ body }, { model }) => model.stream(`Answer a customer:\n\n${body}`))
