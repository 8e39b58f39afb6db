/** Budgets in real chains: a guarded client and `modelInvocation()` alike, beside the meter. */

import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import httpErrorHandler from '@middy/http-error-handler'
import { BudgetExceededError, type BudgetLimit, budget, costMeter, picoUsdOf } from '@sluice/cost-meter'
import { fallback, modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { memoryBudgetStore } from '@sluice/store'
import { expect, test } from 'vitest'
import { asking, lambdaContext, modelId, newClient, startEndpoint } from './testing.ts'

const text = 'My card never came. I have waited for two weeks. Please send me another one.'
const inferenceConfig = { maxTokens: 40 }
const region = 'us-east-1'
/** Room for two calls at their worst. */
const limits: BudgetLimit[] = [{ per: 'tenant', period: { rollingMs: 3_600_000 }, hardUsd: 0.0025 }]

async function spentIn(store: ReturnType<typeof memoryBudgetStore>, tenant: string): Promise<bigint> {
  const slice = Math.floor(Date.now() / 300_000)
  const states = await Promise.all(
    [slice - 1, slice].map((each) =>
      store.read({ key: `tenant-rolling-3600000#300000x${each}#${tenant}`, limit: 0n, forgetAtMs: 0 }),
    ),
  )
  expect(states.map(({ reserved }) => reserved)).toEqual([0n, 0n])
  return states.reduce((sum, { spent }) => sum + spent, 0n)
}

test('a guarded client: whole, streamed, left and refused calls are what the meter says at most', async () => {
  const endpoint = await startEndpoint()
  const client = guarded(newClient(endpoint.url))
  const store = memoryBudgetStore()
  const handler = middy<{ readonly calls: number }>()
    .use(costMeter({ region, tenant: () => 'acme' }))
    .use(budget({ limits, store, region }))
    .handler(async ({ calls }, { cost }) => {
      await client.send(new ConverseCommand({ ...asking(text), inferenceConfig }))
      const { stream = [] } = await client.send(
        new ConverseStreamCommand({ ...asking(text), inferenceConfig }),
      )
      for await (const { contentBlockDelta } of stream) if (contentBlockDelta) break
      let refusal: unknown
      for (let n = 0; n < calls && !refusal; n++) {
        await client
          .send(new ConverseCommand({ ...asking(text), inferenceConfig }))
          .catch((error: unknown) => {
            refusal = error
          })
      }
      await cost.settled()
      return { refusal, atMostUsd: cost.atMostUsd, sent: cost.attempts, shed: cost.shed }
    })
  const result = await handler({ calls: 20 }, lambdaContext('1') as never)
  expect(result.refusal).toBeInstanceOf(BudgetExceededError)
  expect(result.refusal).toMatchObject({
    name: 'BudgetExceededError',
    owner: 'acme',
    statusCode: 402,
    retryable: true,
  })
  expect(result.shed).toBe(1)
  expect(result.sent).toBe(endpoint.counters().requests)
  expect(await spentIn(store, 'acme')).toBe(picoUsdOf(result.atMostUsd))
})

test('modelInvocation(): a refusal is an answer of HTTP, and no other model is asked', async () => {
  const endpoint = await startEndpoint()
  const store = memoryBudgetStore()
  const handler = middy<{ readonly headers: object }>()
    .use(httpErrorHandler({ logger: false }))
    .use(budget({ limits: [{ per: 'all', period: 'month', hardUsd: 0.0001 }], store, region }))
    .use(retry())
    .use(fallback(['us.amazon.nova-lite-v1:0']))
    .use(modelInvocation({ model: bedrock(modelId, { client: newClient(endpoint.url), maxTokens: 40 }) }))
    .handler(async (_event, { model }) => ({ statusCode: 200, body: (await model.invoke(text)).text }))
  const response = (await handler({ headers: {} }, lambdaContext('1') as never)) as {
    statusCode: number
    body: string
  }
  expect(response.statusCode).toBe(402)
  expect(response.body).toContain('more than the whole limit: lower maxTokens')
  expect(response.body).not.toContain('card')
  expect(endpoint.counters().requests).toBe(0)
})

test('a guarded client inside of another one, inside of a model, counts once', async () => {
  const endpoint = await startEndpoint()
  const store = memoryBudgetStore()
  const client = guarded(guarded(newClient(endpoint.url)))
  const handler = middy()
    .use(budget({ limits, store, region }))
    .use(modelInvocation({ model: bedrock(modelId, { client, maxTokens: 40 }) }))
    .handler(async (_event: unknown, { model }) => (await model.invoke(text)).usage)
  await handler({}, lambdaContext('1') as never)
  const { inputTokens, outputTokens } = endpoint.counters()
  expect(await spentIn(store, '')).toBe(BigInt(inputTokens) * 3_300_000n + BigInt(outputTokens) * 16_500_000n)
})
