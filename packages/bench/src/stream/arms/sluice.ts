import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { type TokenStreamOptions, tokenStream } from '@sluice/token-stream'
import type { ArmSettings } from '../../overhead/arm.ts'
import type { StreamingHandler } from '../arm.ts'

/** Sluice as its page has it. Tokens that come within 4 ms leave together. */
export function createHandler(settings: ArmSettings): StreamingHandler {
  return withSluice(settings, {})
}

export function withSluice(
  { url, region, modelId, maxTokens }: ArmSettings,
  options: TokenStreamOptions<{ readonly prompt: string }>,
): StreamingHandler {
  // As it stands in every example: without a client of the user's, bedrock() makes its own from the environment.
  process.env.AWS_REGION = region
  process.env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME = url
  return middy<{ readonly prompt: string }>({ executionMode: executionModeStreamifyResponse })
    .use(tokenStream(options))
    .use(modelInvocation({ model: bedrock(modelId, { maxTokens }) }))
    .handler(({ prompt }, { model }) => model.stream(prompt)) as unknown as StreamingHandler
}
