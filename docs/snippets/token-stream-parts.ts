import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { modelInvocation } from '@sluice/model-invocation'
import { type BedrockModel, bedrock } from '@sluice/model-invocation/bedrock'
import { type StreamPart, tokenStream } from '@sluice/token-stream'

/** Two answers, one after the other, with a word between them: all in one stream. */
async function* letter(model: BedrockModel, text: string) {
  yield* await model.stream(`Answer the customer:\n\n${text}`)
  yield { type: 'token', text: '\n\nIn short: ' } satisfies StreamPart
  yield* await model.stream(`Summarise in one sentence:\n\n${text}`)
}

export const handler = middy<{ body: string }>({ executionMode: executionModeStreamifyResponse })
  .use(tokenStream({ format: 'ai-sdk', headers: { 'x-letter': '1' } }))
  .use(modelInvocation({ model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 500 }) }))
  .handler(async ({ body }, { model }) => ({ statusCode: 201, body: letter(model, body) }))
