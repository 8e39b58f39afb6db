import middy from '@middy/core'
import httpErrorHandler from '@middy/http-error-handler'
import httpJsonBodyParser from '@middy/http-json-body-parser'
import sqsPartialBatchFailure from '@middy/sqs-partial-batch-failure'
import { type AttemptPolicy, currentScope, policyMiddleware, scopeHooks } from '@sluice/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import type { APIGatewayProxyEventV2, SQSEvent } from 'aws-lambda'
import fc from 'fast-check'
import type { FaultRule, LocalBedrock } from 'sluice/local'
import { beforeEach, expect, test } from 'vitest'
import { lambdaContext, modelId, newClient, type Observed, observe, startEndpoint } from './testing.ts'

let endpoint: LocalBedrock
let observed: Observed
beforeEach(async () => {
  endpoint = await startEndpoint()
  observed = observe()
})

const unavailable: FaultRule = { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 }

function small() {
  return bedrock('us.amazon.nova-lite-v1:0', { client: newClient(endpoint.url), maxTokens: 50 })
}
function large() {
  return bedrock(modelId, { client: newClient(endpoint.url), maxTokens: 100 })
}

test('the order of .use() makes no difference to the calls of the handler', async () => {
  const client = newClient(endpoint.url)
  const trace: string[] = []
  const tracing = (name: 'budget' | 'quota') =>
    policyMiddleware<AttemptPolicy>({
      name,
      stage: name,
      wrap: (next) => (request, context) => {
        trace.push(name)
        return next(request, context)
      },
    })
  const middlewares = () => [
    retry({ random: () => 0 }),
    modelInvocation({ model: bedrock(modelId, { client }) }),
    tracing('quota'),
    tracing('budget'),
    scopeHooks({
      name: 'tenant',
      enter(scope) {
        scope.tenant = 'acme'
      },
    }),
  ]
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), async (order) => {
      endpoint.setFaults([unavailable])
      trace.length = 0
      observed.calls.length = 0
      const inOrder = middlewares()
      const handler = middy()
        .use(order.map((index) => inOrder[index] as ReturnType<typeof retry>))
        .handler(async (_event, context) => {
          const { model } = context as unknown as { model: ReturnType<ReturnType<typeof large>['bind']> }
          return (await model.invoke('Where is my card?')).text
        })
      expect(await handler({}, lambdaContext('ordered'))).toMatch(/card/)
      expect(trace).toEqual(['budget', 'quota', 'budget', 'quota'])
      expect(observed.calls).toMatchObject([{ requestId: 'ordered', tenant: 'acme', attempts: 2 }])
    }),
    { numRuns: 25 },
  )
})

test('two models under two keys, in one scope', async () => {
  const handler = middy()
    .use(modelInvocation({ model: small(), contextKey: 'small' }))
    .use(modelInvocation({ model: large(), contextKey: 'large' }))
    .handler(async (_event, { small, large }) => {
      expect(small.modelId).toBe('us.amazon.nova-lite-v1:0')
      await Promise.all([small.invoke('Where is my card?'), large.invoke('Where is my card?')])
    })
  await handler({}, lambdaContext('two') as never)
  expect(observed.calls.map(({ baseModelId, maxTokens }) => [baseModelId, maxTokens]).toSorted()).toEqual([
    ['amazon.nova-lite-v1:0', 50],
    ['anthropic.claude-sonnet-4-5-20250929-v1:0', 100],
  ])
  expect(new Set(observed.calls.map(({ scopeId }) => scopeId)).size).toBe(1)
})

test('the same key twice, or the same policy twice, is told apart: the one is allowed, the other refused', async () => {
  const twice = middy()
    .use(retry())
    .use(retry())
    .handler(async () => 'never')
  await expect(twice({}, lambdaContext('twice'))).rejects.toMatchObject({
    code: 'policy_conflict',
    message: expect.stringContaining('"retry"'),
  })
  const reused = middy()
    .use(modelInvocation({ model: small() }))
    .use(modelInvocation({ model: large() }))
    .handler(async (_event, { model }) => model.modelId)
  expect(await reused({}, lambdaContext('same key') as never)).toBe(modelId)
})

test('one middleware object serves many handlers and invocations', async () => {
  const shared = modelInvocation({ model: large() })
  const handlers = [1, 2].map((number) =>
    middy()
      .use(shared)
      .handler(async (_event, { model }) => {
        await model.invoke('Where is my card?')
        return [number, currentScope()?.requestId]
      }),
  )
  const results = await Promise.all(
    handlers.flatMap((handler, index) =>
      ['a', 'b'].map((id) => handler({}, lambdaContext(`${index + 1}${id}`) as never)),
    ),
  )
  expect(results).toEqual([
    [1, '1a'],
    [1, '1b'],
    [2, '2a'],
    [2, '2b'],
  ])
})

for (const position of ['before', 'after'] as const) {
  test(`a middleware that replaces request.internal, as Powertools does, ${position} ours`, async () => {
    const replacing = {
      before(request: { internal: object }) {
        request.internal = { ...request.internal, 'powertools-for-aws.metrics': () => {} }
      },
    }
    const ours = modelInvocation({ model: large() })
    const handler = middy()
      .use((position === 'before' ? [replacing, ours] : [ours, replacing]) as (typeof ours)[])
      .handler(async (_event, { model }) => (await model.invoke('Where is my card?')).text)
    let scopeEnded: boolean | undefined
    const watched = middy()
      .use({
        after() {
          scopeEnded = currentScope()?.ended
        },
      })
      .handler(handler)
    expect(await watched({}, lambdaContext('replaced') as never)).toMatch(/card/)
    expect(scopeEnded).toBe(true)
    expect(observed.calls).toHaveLength(1)
  })
}

test('beside the middlewares for HTTP: a body comes in, an answer or a status goes out', async () => {
  const handler = middy<APIGatewayProxyEventV2>()
    .use(httpErrorHandler({ logger: false }))
    .use(httpJsonBodyParser())
    .use(retry({ maxAttempts: 1 }))
    .use(modelInvocation({ model: large() }))
    .handler(async (event, { model }) => {
      const { text } = event.body as unknown as { text: string }
      return { statusCode: 200, body: (await model.invoke(text)).text }
    })
  const post = (body: string) =>
    handler(
      { headers: { 'content-type': 'application/json' }, body } as unknown as Parameters<typeof handler>[0],
      lambdaContext('http') as never,
    )
  expect(await post('{"text":"Where is my card?"}')).toMatchObject({
    statusCode: 200,
    body: expect.stringMatching(/card/),
  })
  expect(await post('{"text":')).toMatchObject({ statusCode: 422 })
  endpoint.setFaults([{ fault: 'throttle' }])
  expect(await post('{"text":"Where is my card?"}')).toMatchObject({
    statusCode: 429,
    body: expect.stringContaining('quota'),
  })
  endpoint.setFaults([
    { fault: 'error', name: 'InternalServerException', status: 500, message: 'of the inside' },
  ])
  const failed = await post('{"text":"Where is my card?"}')
  expect(failed).toMatchObject({ statusCode: 500 })
  expect(JSON.stringify(failed)).not.toMatch(/inside|Bedrock/)
})

for (const order of ['first', 'last'] as const) {
  test(`beside the middleware for queues, ours ${order}: each record has an outcome of its own`, async () => {
    endpoint.setFaults([{ fault: 'error', name: 'ValidationException', status: 400, first: 1, skip: 1 }])
    const queue = sqsPartialBatchFailure({ logger: false as never })
    const ours = modelInvocation({ model: large() })
    const handler = middy<SQSEvent>()
      .use((order === 'first' ? [ours, queue] : [queue, ours]) as (typeof ours)[])
      .handler(async ({ Records }, { model }) => {
        const results: PromiseSettledResult<unknown>[] = []
        for (const { body } of Records) results.push(...(await Promise.allSettled([model.invoke(body)])))
        return results
      })
    const Records = ['one', 'two', 'three'].map((messageId) => ({
      messageId,
      body: `Card number ${messageId}`,
    }))
    expect(await handler({ Records } as SQSEvent, lambdaContext('queue') as never)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'two' }],
    })
    expect(observed.calls.map(({ status }) => status)).toEqual(['answered', 'failed', 'answered'])
  })
}

test('profilers see the hooks by name', async () => {
  const names: string[] = []
  const plugin = { beforeMiddleware: (name: string) => names.push(name) }
  const handler = middy(plugin as object)
    .use(retry())
    .use(modelInvocation({ model: large() }))
    .handler(async (event) => {
      if (event) throw new Error('of the handler')
    })
  await handler(undefined, lambdaContext('profiled') as never).catch(() => {})
  expect(names).toEqual(['retryBefore', 'modelInvocationBefore', 'modelInvocationOnError', 'retryOnError'])
  names.length = 0
  const quiet = middy(plugin as object)
    .use(retry())
    .use(modelInvocation({ model: large() }))
    .handler(async () => 'done')
  await quiet({}, lambdaContext('profiled') as never)
  expect(names).toEqual(['retryBefore', 'modelInvocationBefore', 'modelInvocationAfter', 'retryAfter'])
})

test('an answer that an onError of somebody else gives is kept', async () => {
  const handler = middy()
    .use(modelInvocation({ model: large() }))
    .onError((request) => {
      request.response = { statusCode: 503 }
    })
    .handler(async (_event, { model }) => {
      endpoint.setFaults([{ fault: 'error', name: 'AccessDeniedException', status: 403 }])
      await model.invoke('Where is my card?')
    })
  expect(await handler({}, lambdaContext('kept') as never)).toEqual({ statusCode: 503 })
})
