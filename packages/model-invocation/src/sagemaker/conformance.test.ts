import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import { currentScope, type Scope } from '@sluice/core'
import { type ProviderFault, type ProviderHarness, providerConformance } from '@sluice/core/testing'
import { type FaultRule, type LocalSageMaker, startSageMaker } from 'sluice/local'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { faultRule } from '../fixtures/fault-rules.ts'
import { retry } from '../retry.ts'
import { chat, guarded, type SageMakerModel, sagemaker, tgi } from '../sagemaker.ts'

const prompt = 'The card never came. I have waited for two weeks. Please send another one to my new address.'

const ownWords: Partial<Record<ProviderFault, FaultRule>> = {
  unavailable: { fault: 'error', name: 'ServiceUnavailable', status: 503 },
  invalid: { fault: 'error', name: 'ValidationError', status: 400 },
  'throttle-in-stream-before': { fault: 'streamException', name: 'InternalStreamFailure' },
  'throttle-in-stream-after': {
    fault: 'streamException',
    name: 'ModelStreamError',
    errorCode: 'StreamBroken',
  },
}

interface Way {
  readonly name: string
  readonly streaming: boolean
  /** Events of a streamed answer before its first content. */
  readonly head: number
  call(
    client: SageMakerRuntimeClient,
    options: { signal?: AbortSignal; onContent?: () => boolean },
  ): Promise<void>
}

const body = (options: object = {}) =>
  Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: prompt }], max_tokens: 50, ...options }))

function send(signal: AbortSignal | undefined) {
  return signal ? { abortSignal: signal } : {}
}

const guardedWays: readonly Way[] = [
  {
    name: 'guarded InvokeEndpoint',
    streaming: false,
    head: 0,
    async call(client, { signal }) {
      await client.send(new InvokeEndpointCommand({ EndpointName: 'chat', Body: body() }), send(signal))
    },
  },
  {
    name: 'guarded InvokeEndpointWithResponseStream',
    streaming: true,
    head: 1,
    async call(client, { signal, onContent = () => true }) {
      const Body = body({ stream: true, stream_options: { include_usage: true } })
      const command = new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'chat', Body })
      const { Body: stream = [] } = await client.send(command, send(signal))
      for await (const { PayloadPart } of stream) {
        if (/"content":"[^"]/.test(String(Buffer.from(PayloadPart?.Bytes ?? []))) && !onContent()) break
      }
    },
  },
]

const languages = { chat: { adapter: chat(), head: 1 }, tgi: { adapter: tgi(), head: 0 } } as const

const modelWays = (Object.keys(languages) as (keyof typeof languages)[]).flatMap((name): Way[] => {
  const { adapter, head } = languages[name]
  const bound = (client: SageMakerRuntimeClient) =>
    sagemaker(name, { adapter: adapter as typeof languages.chat.adapter, maxTokens: 50, client }).bind(
      currentScope() as Scope,
    ) as SageMakerModel
  return [
    {
      name: `model.invoke of ${name}`,
      streaming: false,
      head,
      async call(client, { signal }) {
        await bound(client).invoke(prompt, signal && { signal })
      },
    },
    {
      name: `model.stream of ${name}`,
      streaming: true,
      head,
      async call(client, { signal, onContent = () => true }) {
        const stream = await bound(client).stream(prompt, signal && { signal })
        for await (const _ of stream.text) if (!onContent()) break
      },
    },
  ]
})

for (const way of [...guardedWays, ...modelWays]) {
  describe(way.name, () => {
    let endpoint: LocalSageMaker
    let client: SageMakerRuntimeClient
    beforeAll(async () => {
      endpoint = await startSageMaker({
        latency: 'none',
        endpoints: { chat: { container: 'chat' }, tgi: { container: 'tgi' } },
        // A piece at a time, as a model writes: the built-in one says all at once.
        async *model() {
          for (const word of prompt.split(/(?= )/)) yield [word]
        },
      })
      client = new SageMakerRuntimeClient({
        endpoint: endpoint.url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      })
      if (way.name.startsWith('guarded')) guarded(client)
    })
    afterAll(async () => {
      client.destroy()
      await endpoint.close()
    })

    const harness: ProviderHarness = {
      streaming: way.streaming,
      policies: () => [retry({ random: () => 0 })],
      // SageMaker has no quota of a day, and over HTTP/1.1 nothing says that a request was not looked at.
      without: ['daily-throttle', 'refused'],
      fail: (fault, times) =>
        endpoint.setFaults(
          fault ? [{ ...faultRule(fault, way.head, ownWords), ...(times && { first: times }) }] : [],
        ),
      call: (options) => way.call(client, options),
      counters: () => endpoint.counters(),
      reset: () => endpoint.reset(),
      idle: () => endpoint.idle(),
      arrived: () => endpoint.until(({ requests }) => requests > 0),
    }
    for (const { name, run } of providerConformance(harness)) test(name, run)
  })
}
