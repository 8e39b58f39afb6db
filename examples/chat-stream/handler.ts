import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { modelInvocation } from '@sluice/model-invocation'
import { type BedrockModel, bedrock } from '@sluice/model-invocation/bedrock'
import { memoryCacheStore } from '@sluice/store'
import { dynamoDBCacheStore } from '@sluice/store/dynamodb'
import { cancelStream, tokenStream } from '@sluice/token-stream'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { type Chat, chatOf } from './chat.ts'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const tableName = process.env.TABLE_NAME

// A Stop arrives at another sandbox than the stream: in AWS they meet in a table.
const store = tableName ? dynamoDBCacheStore({ tableName }) : memoryCacheStore()

/** A generator asks the model when the response has begun: a model that is slow, or fails, is then a part of the stream. */
async function* answer(model: BedrockModel, { messages }: Chat) {
  yield* await model.stream({ messages, system: 'You are the friendly assistant of a bank. Be brief.' })
}

export const handler = middy<APIGatewayProxyEventV2>({ executionMode: executionModeStreamifyResponse })
  .use(
    tokenStream<APIGatewayProxyEventV2>({
      maxDurationMs: 60_000,
      maxTokens: 2_000,
      cancel: { store, key: (event) => chatOf(event)?.streamId, pollMs: 1_000 },
    }),
  )
  .use(modelInvocation({ model: bedrock(modelId, { maxTokens: 1_000 }) }))
  .handler(async (event, { model }) => {
    const chat = chatOf(event)
    if (!chat) return { statusCode: 400, body: 'Send {"streamId", "messages"} as JSON.' }
    if (event.rawPath !== '/stop') return answer(model, chat)
    await cancelStream(store, chat.streamId)
    return { statusCode: 204, body: '' }
  })
