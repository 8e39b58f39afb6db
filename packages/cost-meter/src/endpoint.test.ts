import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { cache, retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'
import { type FaultRule, startBedrock } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'
import { costMeter } from './cost-meter.ts'
import { recorder } from './fixtures/testing.ts'
import { picoUsdOf, usdText } from './pricing/usd.ts'

const modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const first: Pick<FaultRule, 'first'> = { first: 1 }

async function start(faults: readonly FaultRule[]) {
  const endpoint = await startBedrock({ latency: 'none', faults })
  const client = guarded(
    new BedrockRuntimeClient({
      endpoint: endpoint.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    }),
  )
  onTestFinished(async () => {
    client.destroy()
    await endpoint.close()
  })
  return { endpoint, client }
}

const asking = (text: string) => ({
  modelId,
  messages: [{ role: 'user' as const, content: [{ text }] }],
  inferenceConfig: { maxTokens: 60 },
})
const text = 'My parcel never came. Please send me another one, or my money back.'

test('with faults, retries and a cache, the sums are what the endpoint has counted, to the token', async () => {
  const { endpoint, client } = await start([
    { fault: 'throttle', operation: 'converse', ...first },
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, operation: 'converse', ...first },
    { fault: 'error', name: 'InternalServerException', status: 500, operation: 'invoke', ...first },
  ])
  const { sink, attempts, calls, invocations } = recorder()
  const meter = costMeter({ sinks: [sink], region: 'us-east-1' })
  await runInScope({ tenant: 'acme' }, async (scope) => {
    meter.watch(scope)
    scope.use(retry({ maxAttempts: 4, random: () => 0 }))
    scope.use(cache({ ttlMs: 60_000 }))
    for (let i = 0; i < 3; i++) await client.send(new ConverseCommand(asking(text)))
    const { stream = [] } = await client.send(new ConverseStreamCommand(asking(`${text} Twice.`)))
    for await (const _ of stream);
    const body = { anthropic_version: 'x', max_tokens: 30, messages: [{ role: 'user', content: text }] }
    await client.send(new InvokeModelCommand({ modelId, body: JSON.stringify(body) }))
    // A prompt that is cached, and read again.
    const system = [{ text: 'Be kind. '.repeat(1500) }, { cachePoint: { type: 'default' as const } }]
    await client.send(new ConverseCommand({ ...asking('One'), system }))
    await client.send(new ConverseCommand({ ...asking('Two'), system }))
  })
  // Its counters hold the prompts of requests that then failed as well, which nobody bills.
  const billed = endpoint.requests().filter(({ outcome }) => outcome === 'ok')
  const total = (bucket: 'inputTokens' | 'outputTokens' | 'cacheReadTokens' | 'cacheWriteTokens') =>
    billed.reduce((sum, request) => sum + request[bucket], 0)
  const [inputTokens, outputTokens] = [total('inputTokens'), total('outputTokens')]
  const [cacheReadTokens, cacheWriteTokens] = [total('cacheReadTokens'), total('cacheWriteTokens')]
  const [invocation] = invocations()
  expect(endpoint.counters()).toMatchObject({ outputTokens, cacheReadTokens, outcomes: { ok: 5 } })
  expect(cacheReadTokens).toBeGreaterThan(1000)
  expect(invocation?.usage).toEqual({
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWrite5mTokens: cacheWriteTokens,
    cacheWrite1hTokens: 0,
  })
  expect(attempts().every(({ estimated }) => !estimated)).toBe(true)
  // The first waits for the prices.
  const inOrder = calls().toSorted((a, b) => a.startedAtMs - b.startedAtMs || a.sent - b.sent)
  expect(inOrder.map(({ cached, sent }) => [cached, sent])).toEqual([
    [false, 3],
    [true, 0],
    [true, 0],
    [false, 1],
    [false, 2],
    [false, 1],
    [false, 1],
  ])
  // Prices of the public page for the geographic profile in us-east-1, in picodollars for a token.
  const picoUsd =
    BigInt(inputTokens) * 3_300_000n +
    BigInt(outputTokens) * 16_500_000n +
    BigInt(cacheReadTokens) * 330_000n +
    BigInt(cacheWriteTokens) * 4_125_000n
  expect(invocation?.cost).toEqual({ usd: usdText(picoUsd), atMostUsd: usdText(picoUsd), unpriced: 0 })
  const sum = (records: readonly { cost: object }[]) =>
    records.reduce((pico, { cost }) => pico + picoUsdOf((cost as { usd: string }).usd), 0n)
  expect([sum(attempts()), sum(calls())]).toEqual([picoUsd, picoUsd])
})

test('of what was cut, left or aborted, what the endpoint has made lies within the upper bound', async () => {
  const { endpoint, client } = await start([
    { fault: 'cut', operation: 'converse-stream', afterEvents: 3, first: 1 },
    { fault: 'stall', operation: 'converse-stream', afterEvents: 3, skip: 1, first: 1 },
  ])
  const { sink, attempts } = recorder()
  const meter = costMeter({ sinks: [sink], region: 'us-east-1' })
  await runInScope({}, async (scope) => {
    meter.watch(scope)
    // Learns how many bytes a token has.
    await client.send(new ConverseCommand(asking(text)))
    const controller = new AbortController()
    const read = async (onText: () => 'enough' | 'more', abortSignal?: AbortSignal) => {
      const options = abortSignal ? { abortSignal } : {}
      const { stream = [] } = await client.send(new ConverseStreamCommand(asking(text)), options)
      for await (const { contentBlockDelta } of stream) {
        if (contentBlockDelta && onText() === 'enough') break
      }
    }
    await expect(read(() => 'more')).rejects.toThrow(/broke off/)
    const aborted = read(() => {
      controller.abort()
      return 'more'
    }, controller.signal)
    await expect(aborted).rejects.toThrow(/aborted/)
    await read(() => 'enough')
  })
  await endpoint.idle()
  const cut = attempts().slice(1)
  expect(cut.map(({ status, estimated }) => [status, estimated])).toEqual([
    ['failed', true],
    ['failed', true],
    ['left', true],
  ])
  for (const [i, { inputTokens, outputTokens }] of endpoint.requests().slice(1).entries()) {
    const { usage, atMost, cost } = cut[i] ?? {}
    expect(Math.abs((usage?.inputTokens ?? 0) - inputTokens) / inputTokens).toBeLessThan(0.25)
    expect(outputTokens).toBeLessThanOrEqual(atMost?.outputTokens ?? 0)
    expect(usage?.outputTokens).toBeGreaterThan(0)
    expect(cost).toMatchObject({ priced: true, atMostUsd: expect.any(String) })
    const [usd, atMostUsd] = cost?.priced ? [cost.usd, cost.atMostUsd ?? ''] : ['', '']
    expect(picoUsdOf(atMostUsd)).toBeGreaterThan(picoUsdOf(usd))
  }
})
