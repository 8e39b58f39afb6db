import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { tokenStream } from '@sluice/token-stream'

const model = bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 1_000 })

export const handler = middy<{ body: string }>({ executionMode: executionModeStreamifyResponse })
  .use(tokenStream({ maxDurationMs: 60_000 }))
  .use(modelInvocation({ model }))
  .handler(({ body }, { model }) => model.stream(`Answer a customer:\n\n${body}`))
