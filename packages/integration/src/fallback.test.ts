/** Other models, a breaker and a cache around real clients, over real sockets. */

import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { type ModelRequest, type Policy, promptTokens, runInScope, type Scope } from '@sluice/core'
import { circuitBreaker, fallback, modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { memoryBreakerStore } from '@sluice/store'
import type { LocalBedrock } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import { closers, lambdaContext, newClient, observe, startEndpoint } from './testing.ts'

const sonnet = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const haiku = 'us.anthropic.claude-haiku-4-5-20251001-v1:0'
const nova = 'us.amazon.nova-lite-v1:0'
const text = 'The card never came. I have waited for two weeks. Please send another one to my new address.'
const messages = [{ role: 'user' as const, content: [{ text }] }]
const body = JSON.stringify({
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 50,
  messages: [{ role: 'user', content: [{ type: 'text', text }] }],
})

let endpoint: LocalBedrock
beforeEach(async () => {
  endpoint = await startEndpoint()
})

/** One request each in a run of its own, with a retry that does not wait. */
function within<Result>(policies: Policy[], work: (scope: Scope) => Promise<Result>): Promise<Result> {
  return runInScope({ policies: [retry({ maxAttempts: 2, random: () => 0 }), ...policies] }, work)
}

function warnings(): string[] {
  const seen: string[] = []
  const onWarning = ({ message }: Error) => {
    seen.push(message)
  }
  process.on('warning', onWarning)
  closers.push(() => {
    process.off('warning', onWarning)
  })
  return seen
}

const requestsByModel = () =>
  Object.fromEntries(Object.entries(endpoint.counters().models).map(([id, { requests }]) => [id, requests]))

type Ask = (client: BedrockRuntimeClient) => Promise<string>

/** Every way to call, reduced to the text of the answer. */
const ways: Record<string, { ask: Ask; other: string }> = {
  Converse: {
    other: nova,
    async ask(client) {
      const { output } = await client.send(new ConverseCommand({ modelId: sonnet, messages }))
      return output?.message?.content?.[0]?.text ?? ''
    },
  },
  ConverseStream: {
    other: nova,
    async ask(client) {
      const { stream = [] } = await client.send(new ConverseStreamCommand({ modelId: sonnet, messages }))
      let answer = ''
      for await (const { contentBlockDelta } of stream) answer += contentBlockDelta?.delta?.text ?? ''
      return answer
    },
  },
  InvokeModel: {
    other: haiku,
    async ask(client) {
      const output = await client.send(new InvokeModelCommand({ modelId: sonnet, body }))
      return (
        (JSON.parse(output.body.transformToString()) as { content: { text: string }[] }).content[0]?.text ??
        ''
      )
    },
  },
  InvokeModelWithResponseStream: {
    other: haiku,
    async ask(client) {
      const output = await client.send(new InvokeModelWithResponseStreamCommand({ modelId: sonnet, body }))
      let answer = ''
      for await (const { chunk } of output.body ?? []) {
        const event = JSON.parse(Buffer.from(chunk?.bytes ?? []).toString()) as { delta?: { text?: string } }
        answer += event.delta?.text ?? ''
      }
      return answer
    },
  },
}

describe.each(Object.entries(ways))('guarded %s', (_, { ask, other }) => {
  test('a throttled model is replaced by another one; both accounts agree, model by model', async () => {
    const client = guarded(newClient(endpoint.url))
    const { attempts, calls } = observe()
    endpoint.setFaults([{ fault: 'throttle', model: sonnet }])
    const answer = await within([fallback([other])], () => ask(client))
    expect(answer).toContain('address')
    expect(requestsByModel()).toEqual({ [sonnet]: 2, [other]: 1 })
    expect(attempts.map(({ modelId, status }) => [modelId, status])).toEqual([
      [sonnet, 'failed'],
      [sonnet, 'failed'],
      [other, 'answered'],
    ])
    const { inputTokens, outputTokens } = endpoint.counters().models[other] ?? {}
    const usage = attempts[2]?.usage
    expect([usage && promptTokens(usage), usage?.outputTokens]).toEqual([inputTokens, outputTokens])
    expect(calls).toMatchObject([
      { modelId: sonnet, lastModelId: other, attempts: 3, usage: { outputTokens } },
    ])
  })

  test('when nobody can answer, it is the error of the SDK that existing code knows', async () => {
    const client = guarded(newClient(endpoint.url))
    endpoint.setFaults([{ fault: 'throttle' }])
    await within([fallback([other])], async () => {
      await expect(ask(client)).rejects.toMatchObject({ name: 'ThrottlingException' })
    })
    expect(requestsByModel()).toEqual({ [sonnet]: 2, [other]: 2 })
  })
})

test.each(['ConverseStream', 'InvokeModelWithResponseStream'] as const)(
  'guarded %s: a stream that fails before its first content begins anew with another model',
  async (name) => {
    const { ask, other } = ways[name] as (typeof ways)[string]
    const client = guarded(newClient(endpoint.url))
    endpoint.setFaults([
      { fault: 'streamException', name: 'throttlingException', afterEvents: 1, model: sonnet },
    ])
    expect(await within([fallback([other])], () => ask(client))).toContain('address')
    expect(requestsByModel()).toEqual({ [sonnet]: 2, [other]: 1 })
  },
)

test('a request that is at fault itself is not asked of others', async () => {
  const client = guarded(newClient(endpoint.url))
  endpoint.setFaults([{ fault: 'error', name: 'ValidationException', status: 400, model: sonnet }])
  await within([fallback([nova])], async () => {
    await expect(ways.Converse?.ask(client)).rejects.toMatchObject({ name: 'ValidationException' })
  })
  expect(requestsByModel()).toEqual({ [sonnet]: 1 })
})

test.each([
  [sonnet, nova, 'means nothing to'],
  [sonnet, 'us.meta.llama3-3-70b-instruct-v1:0', 'means nothing to'],
  ['amazon.titan-embed-text-v2:0', 'amazon.titan-embed-text-v1', 'means nothing to'],
])('a body of InvokeModel for %s is not sent to %s, and that is said', async (modelId, other, said) => {
  const seen = warnings()
  const client = guarded(newClient(endpoint.url))
  endpoint.setFaults([{ fault: 'throttle', model: modelId }])
  await within([fallback([other])], async () => {
    const vector = JSON.stringify({ inputText: text })
    const asking = client.send(new InvokeModelCommand({ modelId, body: modelId === sonnet ? body : vector }))
    await expect(asking).rejects.toMatchObject({ name: 'ThrottlingException' })
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(requestsByModel()).toEqual({ [modelId]: 2 })
  expect(seen).toEqual([expect.stringContaining(said)])
})

test('the same model in another Region takes the body as it is', async () => {
  const client = guarded(newClient(endpoint.url))
  endpoint.setFaults([{ fault: 'throttle', model: sonnet }])
  const global = sonnet.replace('us.', 'global.')
  expect(
    await within([fallback([global])], () => ways.InvokeModel?.ask(client) as Promise<string>),
  ).toContain('address')
  expect(requestsByModel()).toEqual({ [sonnet]: 2, [global]: 1 })
})

describe('bedrock()', () => {
  test.each(['invoke', 'stream'] as const)(
    'model.%s: a provider answers by its own client, with its own settings',
    async (how) => {
      const there = await startEndpoint()
      const first = bedrock(sonnet, {
        client: newClient(endpoint.url),
        maxTokens: 1000,
        temperature: 1,
        system: 'Answer in one sentence.',
        additionalModelRequestFields: { thinking: { type: 'disabled' } },
      })
      const second = bedrock(nova, { client: newClient(there.url), maxTokens: 3 })
      const { attempts } = observe()
      endpoint.setFaults([{ fault: 'throttle' }])
      const stopReason = await within([fallback([first, second])], async (scope) => {
        const model = first.bind(scope)
        const answer = how === 'invoke' ? await model.invoke(text) : await (await model.stream(text)).answer()
        return answer.stopReason
      })
      // Three tokens were allowed, by the second one's settings.
      expect(stopReason).toBe('max_tokens')
      expect(there.counters()).toMatchObject({ requests: 1, outputTokens: 3 })
      expect(
        attempts.map(({ modelId, maxTokens, temperature }) => [modelId, maxTokens, temperature]),
      ).toEqual([
        [sonnet, 1000, 1],
        [sonnet, 1000, 1],
        [nova, 3, 1],
      ])
    },
  )

  test('a provider takes over what is asked, and leaves what only the other model understands', () => {
    const other = bedrock(nova, { client: newClient(endpoint.url), maxTokens: 5, stopSequences: ['x'] })
    let request: ModelRequest | undefined
    const catching: Policy = {
      name: 'catching',
      stage: 'meter',
      wrap: () => async (caught) => {
        request = caught
        throw new Error('enough')
      },
    }
    const first = bedrock(sonnet, {
      client: newClient(endpoint.url),
      temperature: 0,
      topP: 0.5,
      maxTokens: 100,
    })
    return within([catching], async (scope) => {
      const prompt = {
        messages,
        system: 'Be short.',
        additionalModelRequestFields: { top_k: 5 },
        additionalModelResponseFieldPaths: ['/x'],
        toolConfig: { tools: [] },
        requestMetadata: { job: 'j' },
      }
      await first
        .bind(scope)
        .invoke(prompt)
        .catch(() => {})
      const asked = request as ModelRequest
      expect(other.owns(asked)).toBe(false)
      expect(first.owns(asked)).toBe(true)
      const adopted = other.adopt(asked)
      expect(other.owns(adopted)).toBe(true)
      expect(adopted).toMatchObject({
        modelId: nova,
        baseModelId: 'amazon.nova-lite-v1:0',
        maxTokens: 5,
        temperature: 0,
      })
      expect(adopted.payload).toEqual({
        modelId: nova,
        messages,
        system: [{ text: 'Be short.' }],
        toolConfig: { tools: [] },
        inferenceConfig: { temperature: 0, topP: 0.5, maxTokens: 5, stopSequences: ['x'] },
        requestMetadata: { job: 'j' },
      })
      expect(() => other.adopt({ ...asked, operation: 'InvokeModel' })).toThrow(
        /speaks Converse and cannot take over InvokeModel/,
      )
    })
  })

  test('as a middleware, in whatever order', async () => {
    const model = bedrock(sonnet, { client: newClient(endpoint.url), maxTokens: 100 })
    endpoint.setFaults([{ fault: 'error', name: 'ServiceUnavailableException', status: 503, model: sonnet }])
    const chains = [
      middy<{ text: string }>()
        .use(fallback([nova]))
        .use(modelInvocation({ model }))
        .use(retry({ maxAttempts: 1 })),
      middy<{ text: string }>()
        .use(retry({ maxAttempts: 1 }))
        .use(modelInvocation({ model }))
        .use(fallback([nova])),
    ]
    for (const chain of chains) {
      const handler = chain.handler(async (event, context) => (await context.model.invoke(event.text)).text)
      expect(await handler({ text }, lambdaContext('request') as never)).toContain('address')
    }
    expect(requestsByModel()).toEqual({ [sonnet]: 2, [nova]: 2 })
  })
})

test('what one sandbox found out keeps the others from asking in vain', async () => {
  const store = memoryBreakerStore()
  // Two sandboxes: a client, a policy and a breaker of their own.
  const sandboxes = [1, 2].map(() => {
    const client = guarded(newClient(endpoint.url))
    const policy = fallback([nova], { breaker: circuitBreaker({ store, refreshMs: 0 }) })
    return () => within([policy], () => ways.Converse?.ask(client) as Promise<string>)
  })
  endpoint.setFaults([{ fault: 'throttle', daily: true, model: sonnet }])
  for (const call of [...sandboxes, ...sandboxes]) expect(await call()).toContain('address')
  expect(requestsByModel()).toEqual({ [sonnet]: 1, [nova]: 4 })
})
