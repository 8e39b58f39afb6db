/** Answers from a cache are those of the SDK, for every way to call. */

import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { runInScope } from '@sluice/core'
import { cache, circuitBreaker, fallback, modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { dynamoDBBreakerStore, dynamoDBCacheStore } from '@sluice/store/dynamodb'
import type { LocalBedrock } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import { hasJava, startDynamoDB } from '../../store/src/fixtures/dynamodb-local.ts'
import { asking, closers, lambdaContext, modelId, newClient, observe, startEndpoint } from './testing.ts'

let endpoint: LocalBedrock
beforeEach(async () => {
  endpoint = await startEndpoint()
})

const text = 'The card never came. I have waited for two weeks. Please send another one.'
const body = JSON.stringify({
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 200,
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
})

async function all<Event>(events: AsyncIterable<Event> = (async function* () {})()): Promise<Event[]> {
  const read: Event[] = []
  for await (const event of events) read.push(event)
  return read
}

/** Everything that a caller can see of an answer. */
const ways: Record<string, (client: BedrockRuntimeClient) => Promise<unknown>> = {
  async Converse(client) {
    const { $metadata, ...answer } = await client.send(new ConverseCommand(asking(text)))
    return answer
  },
  async ConverseStream(client) {
    const { stream, $metadata, ...answer } = await client.send(new ConverseStreamCommand(asking(text)))
    return { ...answer, events: await all(stream) }
  },
  async InvokeModel(client) {
    const { $metadata, ...answer } = await client.send(new InvokeModelCommand({ modelId, body }))
    return { ...answer, text: answer.body.transformToString(), bytes: [...answer.body], body: undefined }
  },
  async InvokeModelWithResponseStream(client) {
    const command = new InvokeModelWithResponseStreamCommand({ modelId, body })
    const { body: stream, $metadata, ...answer } = await client.send(command)
    const events = await all(stream)
    return { ...answer, chunks: events.map(({ chunk }) => Buffer.from(chunk?.bytes ?? []).toString()) }
  },
}

describe.each(Object.entries(ways))('guarded %s', (_, ask) => {
  test('the second answer is the first one, and costs nothing', async () => {
    const client = guarded(newClient(endpoint.url))
    const policy = cache({ ttlMs: 60_000 })
    const { attempts, calls } = observe()
    const answers = []
    for (let round = 0; round < 3; round++) {
      answers.push(await runInScope({ policies: [policy] }, () => ask(client)))
    }
    expect(JSON.stringify(answers[0])).toContain('card')
    expect(answers[1]).toEqual(answers[0])
    expect(answers[2]).toEqual(answers[0])
    expect(endpoint.counters().requests).toBe(1)
    expect(attempts).toHaveLength(1)
    expect(calls.map(({ cached, attempts, status }) => [cached, attempts, status])).toEqual([
      [false, 1, 'answered'],
      [true, 0, 'answered'],
      [true, 0, 'answered'],
    ])
  })

  test('ten at once are one request', async () => {
    const client = guarded(newClient(endpoint.url))
    const answers = await runInScope({ policies: [cache({ ttlMs: 60_000 })] }, () =>
      Promise.all(Array.from({ length: 10 }, () => ask(client))),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(endpoint.counters().requests).toBe(1)
  })
})

test('an answer from the cache counts no attempts of the SDK', async () => {
  const client = guarded(newClient(endpoint.url))
  const policy = cache({ ttlMs: 60_000 })
  const seen: (number | undefined)[] = []
  for (let round = 0; round < 2; round++) {
    await runInScope({ policies: [policy] }, async () => {
      const { $metadata } = await client.send(new ConverseCommand(asking(text)))
      seen.push($metadata.attempts)
    })
  }
  expect(seen).toEqual([1, 0])
})

test('answers cut at max_tokens are asked for again', async () => {
  const client = guarded(newClient(endpoint.url))
  const policy = cache({ ttlMs: 60_000 })
  const short = { ...asking(text), inferenceConfig: { maxTokens: 2 } }
  const shortBody = body.replace('200', '2')
  for (let round = 0; round < 2; round++) {
    await runInScope({ policies: [policy] }, async () => {
      await client.send(new ConverseCommand(short))
      const { stream } = await client.send(new ConverseStreamCommand(short))
      await all(stream)
      await client.send(new InvokeModelCommand({ modelId, body: shortBody }))
      const chunks = await client.send(new InvokeModelWithResponseStreamCommand({ modelId, body: shortBody }))
      await all(chunks.body)
    })
  }
  expect(endpoint.counters().requests).toBe(8)
})

test('model.invoke and model.stream, as a middleware, tenants apart', async () => {
  const model = bedrock(modelId, { client: newClient(endpoint.url), maxTokens: 200 })
  const handler = middy<{ text: string }>()
    .use(cache({ ttlMs: 60_000 }))
    .use(modelInvocation({ model }))
    .handler(async (event, { model }) => {
      const whole = await model.invoke(event.text)
      const streamed = await (await model.stream(event.text)).answer()
      return [whole.text, streamed.text, whole.usage, streamed.usage]
    })
  const first = await handler({ text }, lambdaContext('1') as never)
  const second = await handler({ text }, lambdaContext('2') as never)
  expect(second).toEqual(first)
  expect(endpoint.counters().requests).toBe(2)
  await handler({ text }, { ...lambdaContext('3'), tenantId: 'other' } as never)
  expect(endpoint.counters().requests).toBe(4)
})

// DynamoDB Local is a Java program.
test.runIf(hasJava)(
  'in DynamoDB: what one sandbox was answered, and what it found out, the others know',
  async () => {
    const database = await startDynamoDB()
    closers.push(() => database.close())
    const options = { ...database, timeoutMs: 10_000 }
    const other = 'us.amazon.nova-lite-v1:0'
    const call = async (question: string) => {
      // A sandbox of its own.
      const client = guarded(newClient(endpoint.url))
      const breaker = circuitBreaker({ store: dynamoDBBreakerStore(options) })
      const policies = [
        cache({ ttlMs: 60_000, store: dynamoDBCacheStore(options) }),
        fallback([other], { breaker }),
        retry({ random: () => 0 }),
      ]
      return runInScope({ policies }, async () => {
        const { stream } = await client.send(new ConverseStreamCommand(asking(question)))
        return all(stream)
      })
    }
    const first = await call(text)
    expect(await call(text)).toEqual(first)
    expect(endpoint.counters().requests).toBe(1)
    endpoint.setFaults([{ fault: 'throttle', daily: true, model: modelId }])
    await call('Where is my card?')
    await call('When will my card come?')
    const { models } = endpoint.counters()
    expect([models[modelId]?.requests, models[other]?.requests]).toEqual([2, 2])
  },
)
