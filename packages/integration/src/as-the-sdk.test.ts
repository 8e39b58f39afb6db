import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  ListAsyncInvokesCommand,
  ThrottlingException,
  ValidationException,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { runInScope } from '@sluice/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { StandardRetryStrategy } from '@smithy/core/retry'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import type { FaultRule, LocalBedrock } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  asking,
  lambdaContext,
  modelId,
  newClient,
  type Observed,
  observe,
  startEndpoint,
} from './testing.ts'
import { inInvocation, quickly, unavailable, ways } from './ways.ts'

let endpoint: LocalBedrock
let observed: Observed
beforeEach(async () => {
  endpoint = await startEndpoint()
  observed = observe()
})

describe.each(ways)('$operation', ({ operation, call }) => {
  test('a client that caches its middleware takes different inputs, scopes and outcomes', async () => {
    const client = guarded(newClient(endpoint.url, { cacheMiddleware: true }))
    const answers: string[] = []
    for (const requestId of ['first', 'second', 'third']) {
      endpoint.setFaults(requestId === 'second' ? [unavailable] : [])
      await runInScope({ requestId, policies: quickly() }, async () => {
        answers.push(await call(client, `The card of the ${requestId} customer was declined.`))
      })
    }
    expect(answers.map((answer) => /first|second|third/.exec(answer)?.[0])).toEqual([
      'first',
      'second',
      'third',
    ])
    expect(observed.attempts.map(({ requestId }) => requestId)).toEqual([
      'first',
      'second',
      'second',
      'third',
    ])
  })

  test('the default retry makes as many attempts as the client was told to', async () => {
    endpoint.setFaults([{ ...unavailable, first: 100 }])
    const attempts: number[] = []
    const count = async (client: BedrockRuntimeClient) => {
      endpoint.reset()
      // Without a policy of its own: the default is what is tested.
      await runInScope({}, () => call(client)).catch((error) => attempts.push(error.$metadata.attempts))
      return endpoint.counters().requests
    }
    expect(await count(guarded(newClient(endpoint.url, { maxAttempts: 1 })))).toBe(1)
    expect(await count(guarded(newClient(endpoint.url)))).toBe(3)
    process.env.AWS_MAX_ATTEMPTS = '2'
    expect(
      await count(guarded(newClient(endpoint.url))).finally(() => delete process.env.AWS_MAX_ATTEMPTS),
    ).toBe(2)
    expect(attempts).toEqual([1, 3, 2])
  })

  test('a client that is guarded twice is guarded once', async () => {
    endpoint.setFaults([unavailable])
    const bare = newClient(endpoint.url)
    const client = guarded(guarded(bare), { outside: 'throw' })
    expect(client).toBe(bare)
    await inInvocation(() => call(client))
    expect(endpoint.counters().requests).toBe(2)
    expect(observed.attempts).toHaveLength(2)
    expect(observed.calls).toMatchObject([{ status: 'answered', attempts: 2 }])
  })

  test('a client may be given to modelInvocation and be used directly too', async () => {
    const client = guarded(newClient(endpoint.url))
    const handler = middy()
      .use(modelInvocation({ model: bedrock(modelId, { client }), policies: quickly() }))
      .handler(async (_event, { model }) => {
        endpoint.setFaults([unavailable])
        const direct = await call(client)
        endpoint.setFaults([unavailable])
        const prompt = asking('Where is my card?').messages
        const byModel =
          operation === 'Converse'
            ? await model.invoke({ messages: prompt })
            : await (await model.stream({ messages: prompt })).answer()
        expect(byModel.text).toBe(direct)
      })
    await handler({}, lambdaContext('both') as never)
    expect(observed.calls).toMatchObject([{ attempts: 2 }, { attempts: 2 }])
    expect(endpoint.counters().requests).toBe(4)
    const { inputTokens, outputTokens } = endpoint.counters()
    const sum = (of: 'inputTokens' | 'outputTokens') =>
      observed.attempts.reduce((total, { usage }) => total + usage[of], 0)
    // The two that failed were admitted by the endpoint, but are not billed.
    expect([sum('inputTokens') * 2, sum('outputTokens')]).toEqual([inputTokens, outputTokens])
  })

  test('callbacks are called', async () => {
    const client = guarded(newClient(endpoint.url))
    endpoint.setFaults([unavailable])
    const command = operation === 'Converse' ? ConverseCommand : ConverseStreamCommand
    const [error, output] = await inInvocation(
      () =>
        new Promise<unknown[]>((resolve) => {
          client.send(new command(asking('Where is my card?')) as ConverseCommand, (...results: unknown[]) =>
            resolve(results),
          )
        }),
    )
    expect(error).toBeNull()
    expect(output).toMatchObject({ $metadata: { httpStatusCode: 200, attempts: 2 } })
    endpoint.setFaults([{ fault: 'throttle' }])
    const [failure] = await runInScope({ policies: [retry({ maxAttempts: 1 })] }, () => {
      return new Promise<unknown[]>((resolve) => {
        client.send(new command(asking('Where is my card?')) as ConverseCommand, (...results: unknown[]) =>
          resolve(results),
        )
      })
    })
    expect(failure).toBeInstanceOf(ThrottlingException)
  })

  test('a client that was destroyed can be used again', async () => {
    const client = guarded(newClient(endpoint.url))
    await inInvocation(async () => {
      await call(client)
      client.destroy()
      expect(await call(client)).toMatch(/\w/)
    })
    expect(observed.attempts.map(({ status }) => status)).toEqual(['answered', 'answered'])
    expect(endpoint.counters()).toMatchObject({ requests: 2, connections: { http2: 2 } })
  })

  test('two guarded clients in one handler share the policies of the invocation, and nothing else', async () => {
    const other = await startEndpoint()
    const clients = [guarded(newClient(endpoint.url)), guarded(newClient(other.url))]
    other.setFaults([unavailable])
    const handler = middy()
      .use(retry({ random: () => 0 }))
      .handler(() => Promise.all(clients.map((client) => call(client))))
    await handler({}, lambdaContext('two'))
    expect([endpoint.counters().requests, other.counters().requests]).toEqual([1, 2])
    expect(observed.calls.map(({ attempts }) => attempts).toSorted()).toEqual([1, 2])
  })

  for (const [name, requestHandler] of [
    ['HTTP/2', () => new NodeHttp2Handler({ requestTimeout: 400 })],
    ['HTTP/1.1', () => new NodeHttpHandler({ requestTimeout: 400, throwOnRequestTimeout: true })],
  ] as const) {
    test(`a request that times out over ${name} is not sent three times`, async () => {
      endpoint.setFaults([{ fault: 'slowStart', ms: 60_000 }])
      const client = guarded(newClient(endpoint.url, { requestHandler: requestHandler() }))
      await expect(inInvocation(() => call(client))).rejects.toMatchObject({ name: 'TimeoutError' })
      await endpoint.idle()
      expect(endpoint.counters().requests).toBe(1)
      expect(observed.attempts).toMatchObject([
        { status: 'failed', estimated: true, error: { name: 'TransportError' } },
      ])
    })
  }

  test('errors of the SDK keep their class and tell how many attempts were made', async () => {
    const client = guarded(newClient(endpoint.url))
    const failing = (rule: FaultRule) => {
      endpoint.setFaults([rule])
      return inInvocation(() => call(client)).catch((error: unknown) => error)
    }
    const throttled = await failing({ fault: 'throttle' })
    expect(throttled).toBeInstanceOf(ThrottlingException)
    expect(throttled).toMatchObject({
      name: 'ThrottlingException',
      $metadata: { attempts: 3, httpStatusCode: 429 },
    })
    const invalid = await failing({ fault: 'error', name: 'ValidationException', status: 400, message: 'no' })
    expect(invalid).toBeInstanceOf(ValidationException)
    expect(invalid).toMatchObject({ message: 'no', $fault: 'client', $metadata: { attempts: 1 } })
    const daily = await failing({ fault: 'throttle', daily: true })
    expect(daily).toMatchObject({ name: 'ThrottlingException', $metadata: { attempts: 1 } })
  })
})

test("other commands go by untouched, with the client's own retry strategy", async () => {
  const client = guarded(
    newClient(endpoint.url, { retryStrategy: new StandardRetryStrategy({ maxAttempts: 5, baseDelay: 1 }) }),
  )
  endpoint.setFaults([{ ...unavailable, first: 4 }])
  await inInvocation(async () => {
    const input = { converse: { messages: asking('Where is my card?').messages } }
    const { inputTokens, $metadata } = await client.send(new CountTokensCommand({ modelId, input }))
    expect(inputTokens).toBeGreaterThan(0)
    expect($metadata.attempts).toBe(5)
    await expect(client.send(new ListAsyncInvokesCommand({}))).rejects.toMatchObject({
      name: 'UnknownOperationException',
    })
  })
  expect(observed).toEqual({ attempts: [], calls: [] })
})

test("outside of any invocation a guarded client is the SDK's, its retry strategy included, and warns once", async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => {
    warnings.push(warning)
  }
  process.on('warning', onWarning)
  const client = guarded(
    newClient(endpoint.url, { retryStrategy: new StandardRetryStrategy({ maxAttempts: 5, baseDelay: 1 }) }),
  )
  endpoint.setFaults([{ ...unavailable, first: 4 }])
  for (const { call } of ways) expect(await call(client)).toMatch(/\w/)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  expect(endpoint.counters().requests).toBe(6)
  expect(observed).toEqual({ attempts: [], calls: [] })
  expect(warnings).toMatchObject([
    { name: 'SluiceWarning', message: expect.stringContaining('outside of an invocation') },
  ])
})
