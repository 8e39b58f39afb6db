import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { currentScope } from '@sluice/core'
import { type ProviderHarness, providerConformance } from '@sluice/core/testing'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { type LocalBedrock, startBedrock } from 'sluice/local'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { bedrock, guarded } from '../bedrock.ts'
import { type FamilyBody, families } from '../fixtures/families.ts'
import { faultRule } from '../fixtures/fault-rules.ts'
import { retry } from '../retry.ts'

const modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const prompt = 'The card never came. I have waited for two weeks. Please send another one to my new address.'
const messages = [{ role: 'user' as const, content: [{ text: prompt }] }]

function newClient(endpoint: LocalBedrock, protocol: 'h2' | 'http1'): BedrockRuntimeClient {
  return guarded(
    new BedrockRuntimeClient({
      endpoint: endpoint.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      ...(protocol === 'http1' && { requestHandler: new NodeHttpHandler() }),
    }),
  )
}

type Operation = 'Converse' | 'ConverseStream' | 'InvokeModel' | 'InvokeModelWithResponseStream'

interface Way {
  readonly name: string
  readonly operation: Operation
  readonly protocol?: 'h2' | 'http1'
  /** Events of a streamed answer before its first content. */
  readonly head?: number
  call(
    client: BedrockRuntimeClient,
    options: { signal?: AbortSignal; onContent?: () => boolean },
  ): Promise<void>
}

function send(signal: AbortSignal | undefined) {
  return signal ? { abortSignal: signal } : {}
}

const sdkWays: readonly Way[] = [
  {
    name: 'Converse',
    operation: 'Converse',
    async call(client, { signal }) {
      await client.send(new ConverseCommand({ modelId, messages }), send(signal))
    },
  },
  {
    name: 'ConverseStream',
    operation: 'ConverseStream',
    head: 1,
    async call(client, { signal, onContent = () => true }) {
      const { stream = [] } = await client.send(
        new ConverseStreamCommand({ modelId, messages }),
        send(signal),
      )
      for await (const { contentBlockDelta } of stream) if (contentBlockDelta && !onContent()) break
    },
  },
  ...invokeWays(families[0] as FamilyBody),
]

function invokeWays({ name, modelId, headChunks, content, ...family }: FamilyBody): readonly Way[] {
  const input = { modelId, contentType: 'application/json', body: JSON.stringify(family.body) }
  return [
    {
      name: `InvokeModel of ${name}`,
      operation: 'InvokeModel',
      async call(client, { signal }) {
        await client.send(new InvokeModelCommand(input), send(signal))
      },
    },
    {
      name: `InvokeModelWithResponseStream of ${name}`,
      operation: 'InvokeModelWithResponseStream',
      head: headChunks,
      async call(client, { signal, onContent = () => true }) {
        const command = new InvokeModelWithResponseStreamCommand(input)
        const { body: stream = [] } = await client.send(command, send(signal))
        for await (const { chunk } of stream) {
          if (Buffer.from(chunk?.bytes ?? []).includes(content) && !onContent()) break
        }
      },
    },
  ]
}

const ways: readonly Way[] = [
  ...sdkWays.map((way) => ({ ...way, name: `guarded ${way.name} over HTTP/2` })),
  ...sdkWays.map((way) => ({
    ...way,
    name: `guarded ${way.name} over HTTP/1.1`,
    protocol: 'http1' as const,
  })),
  ...families
    .slice(1)
    .flatMap(invokeWays)
    .map((way) => ({ ...way, name: `guarded ${way.name}` })),
  {
    name: 'model.invoke',
    operation: 'Converse',
    async call(client, { signal }) {
      const model = bedrock(modelId, { client }).bind(
        currentScope() as NonNullable<ReturnType<typeof currentScope>>,
      )
      await model.invoke(prompt, signal && { signal })
    },
  },
  {
    name: 'model.stream',
    operation: 'ConverseStream',
    head: 1,
    async call(client, { signal, onContent = () => true }) {
      const model = bedrock(modelId, { client }).bind(
        currentScope() as NonNullable<ReturnType<typeof currentScope>>,
      )
      const stream = await model.stream(prompt, signal && { signal })
      for await (const _ of stream.text) if (!onContent()) break
    },
  },
]

for (const way of ways) {
  describe(way.name, () => {
    let endpoint: LocalBedrock
    let client: BedrockRuntimeClient
    beforeAll(async () => {
      endpoint = await startBedrock({ latency: 'none' })
      client = newClient(endpoint, way.protocol ?? 'h2')
    })
    afterAll(async () => {
      client.destroy()
      await endpoint.close()
    })

    const { head = 0 } = way
    const harness: ProviderHarness = {
      streaming: way.operation.includes('Stream'),
      policies: () => [retry({ random: () => 0 })],
      // Over HTTP/1.1 the connection is dropped, and nothing says that the request was not looked at.
      without: way.protocol === 'http1' ? ['refused'] : [],
      fail: (fault, times) =>
        endpoint.setFaults(fault ? [{ ...faultRule(fault, head, {}), ...(times && { first: times }) }] : []),
      call: (options) => way.call(client, options),
      counters: () => endpoint.counters(),
      reset: () => endpoint.reset(),
      idle: () => endpoint.idle(),
      arrived: () => endpoint.until(({ requests }) => requests > 0),
    }
    for (const { name, run } of providerConformance(harness)) test(name, run)
  })
}
