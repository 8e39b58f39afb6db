import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import { type CallPolicy, runInScope, type Scope, type SluiceError } from '@sluice/core'
import { type ContainerAnswer, startSageMaker } from 'sluice/local'
import { afterAll, afterEach, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { recordAttempts, rejection } from '../fixtures/bench.ts'
import { cache, fallback, retry } from '../index.ts'
import { type ChatMessage, chat, csv, guarded, json, jsonLines, sagemaker, tgi } from '../sagemaker.ts'
import { toSluiceError } from './errors.ts'

const asked: { body: string; contentType: string; accept: string }[] = []
let answer: ContainerAnswer | (() => never) = { body: '{}' }
const container = (request: { body: string; contentType: string; accept: string }) => {
  asked.push(request)
  return typeof answer === 'function' ? answer() : answer
}
const local = await startSageMaker({
  latency: 'none',
  endpoints: {
    own: { container, variants: ['blue', 'green'] },
    parts: { components: { small: 'chat', large: container } },
    many: { targetModels: { 'a.tar.gz': container } },
    chat: { variants: ['blue'] },
    other: {},
    tgi: { container: 'tgi' },
  },
})
const newClient = () =>
  new SageMakerRuntimeClient({
    endpoint: local.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
const client = newClient()
afterAll(async () => {
  client.destroy()
  await local.close()
})
afterEach(() => {
  asked.length = 0
  answer = { body: '{}' }
  local.setFaults([])
  local.reset()
})

const once = [retry({ maxAttempts: 1 })]
const inScope = <Result>(work: (scope: Scope) => Promise<Result>) => runInScope({ policies: once }, work)

test('a chat: settings, a conversation, what the container says', async () => {
  answer = {
    body: JSON.stringify({
      choices: [
        {
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
    }),
  }
  const said = await inScope((scope) =>
    sagemaker('own', {
      adapter: chat({ model: 'lora-1' }),
      maxTokens: 5,
      temperature: 0.5,
      topP: 0.9,
      stopSequences: ['END'],
      targetVariant: 'green',
      client,
    })
      .bind(scope)
      .invoke({ messages: [{ role: 'user', content: 'Hello' }], seed: 7, temperature: 0 }),
  )
  expect(said).toEqual({
    text: '',
    message: expect.objectContaining({ tool_calls: [expect.objectContaining({ id: '1' })] }),
    stopReason: 'tool_calls',
    intervened: false,
    usage: {
      inputTokens: 6,
      outputTokens: 2,
      cacheReadTokens: 4,
      cacheWrite5mTokens: 0,
      cacheWrite1hTokens: 0,
    },
    variant: 'green',
  })
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    model: 'lora-1',
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 5,
    temperature: 0,
    top_p: 0.9,
    stop: ['END'],
    seed: 7,
  })
  expectTypeOf(said.message).toEqualTypeOf<ChatMessage>()
})

test('tool calls that come in pieces are put together, in their order', async () => {
  const delta = (tool_calls: object[]) => ({ choices: [{ delta: { tool_calls }, finish_reason: null }] })
  answer = {
    body: [
      delta([{ index: 1, id: 'b', function: { name: 'second', arguments: '' } }]),
      delta([{ index: 0, id: 'a', function: { name: 'first', arguments: '{"x"' } }]),
      delta([{ index: 0, function: { arguments: ':1}' } }]),
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
    ]
      .map((value) => `data: ${JSON.stringify(value)}\n\n`)
      .join(''),
  }
  const said = await inScope(async (scope) =>
    (await sagemaker('own', { client }).bind(scope).stream('x')).answer(),
  )
  expect(said.message.tool_calls).toEqual([
    { id: 'a', type: 'function', function: { name: 'first', arguments: '{"x":1}' } },
    { id: 'b', type: 'function', function: { name: 'second', arguments: '' } },
  ])
})

test('text generation inference: parameters, the text, its usage', async () => {
  const model = sagemaker('tgi', { adapter: tgi(), maxTokens: 3, client })
  const [whole, streamed] = await inScope(async (scope) => {
    const bound = model.bind(scope)
    return [
      await bound.invoke({
        inputs: 'The card never came. I have waited for weeks.',
        parameters: { seed: 1 },
      }),
      await (await bound.stream('The card never came. I have waited for weeks.')).answer(),
    ]
  })
  expect(whole).toMatchObject({ text: streamed.text, stopReason: 'max_tokens', usage: { outputTokens: 3 } })
  expect(streamed).toEqual({ ...whole, variant: undefined })
  expect(local.counters()).toMatchObject({
    inputTokens: 2 * (whole.usage?.inputTokens ?? 0),
    outputTokens: 6,
  })
})

test('tables, JSON and lines of JSON are what goes in and comes out', async () => {
  await inScope(async (scope) => {
    answer = { body: '0.1,"a ""quoted"", one"\r\n0.2,\n', contentType: 'text/csv' }
    const table = await sagemaker('own', { adapter: csv(), client })
      .bind(scope)
      .invoke([
        [1, 'x,y', null],
        [true, 'a"b', ''],
      ])
    expect(table.message).toEqual([
      ['0.1', 'a "quoted", one'],
      ['0.2', ''],
    ])
    expect(asked[0]).toEqual({
      body: '1,"x,y",\ntrue,"a""b",\n',
      contentType: 'text/csv',
      accept: 'text/csv',
    })
    answer = { body: '{"label":"card"}' }
    const value = await sagemaker('own', { adapter: json<{ text: string }, { label: string }>(), client })
      .bind(scope)
      .invoke({ text: 'x' })
    expect(value.message.label).toBe('card')
    answer = { body: '{"n":1}\n{"n":2}\n' }
    const lines = await sagemaker('own', { adapter: jsonLines<number, { n: number }>(), client })
      .bind(scope)
      .invoke([1, 2])
    expect(lines.message.map(({ n }) => n)).toEqual([1, 2])
    expect(asked[2]?.body).toBe('1\n2\n')
  })
})

test.each([
  ['chat', sagemaker('own', { client }), '{"choices":[]}'],
  ['chat', sagemaker('own', { client }), 'no JSON: secret'],
  ['tgi', sagemaker('own', { adapter: tgi() as never, client }), '[{}]'],
  ['csv', sagemaker('own', { adapter: { ...csv(), write: String } as never, client }), 'a"b'],
])('%s: an answer in another language is an error that quotes nothing', async (_, model, body) => {
  const attempts = recordAttempts()
  answer = { body }
  const error = (await rejection(inScope((scope) => model.bind(scope).invoke('x')))) as SluiceError
  expect(error).toMatchObject({ name: 'ModelError', code: 'model_failed', retryable: false, unbilled: false })
  expect(error.message + String(error.cause)).not.toContain('secret')
  expect(attempts[0]).toMatchObject({ status: 'failed', estimated: true })
})

test('components, variants and models of one endpoint are models of their own to policies', async () => {
  const attempts = recordAttempts()
  answer = { body: '{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}' }
  await inScope(async (scope) => {
    await sagemaker('parts', { inferenceComponent: 'small', client }).bind(scope).invoke('Hello there.')
    await sagemaker('parts', { inferenceComponent: 'large', client }).bind(scope).invoke('Hello there.')
    await sagemaker('many', { targetModel: 'a.tar.gz', client }).bind(scope).invoke('Hello there.')
    const none = await rejection(
      sagemaker('parts', { inferenceComponent: 'none', client }).bind(scope).invoke('x'),
    )
    expect(none).toMatchObject({ code: 'not_found', statusCode: 404 })
    expect(await rejection(sagemaker('nowhere', { client }).bind(scope).invoke('x'))).toMatchObject({
      code: 'not_found',
    })
    const stream = await rejection(
      sagemaker('many', { targetModel: 'a.tar.gz', client }).bind(scope).stream('x'),
    )
    expect(stream).toMatchObject({ code: 'invalid_request' })
    const plain = sagemaker('own', { adapter: csv(), client }).bind(scope)
    expect(await rejection(plain.stream([]))).toMatchObject({ code: 'invalid_request' })
  })
  expect(attempts.map(({ provider, modelId }) => `${provider}:${modelId}`)).toEqual([
    'sagemaker:parts/small',
    'sagemaker:parts/large',
    'sagemaker:many/a.tar.gz',
    'sagemaker:parts/none',
    'sagemaker:nowhere',
  ])
})

test.each([
  [429, 'ModelThrottledError', 'throttled', true],
  [503, 'ModelError', 'unavailable', true],
  [400, 'ModelError', 'invalid_request', false],
  [408, 'ModelError', 'model_failed', false],
  [500, 'ModelError', 'model_failed', false],
] as const)('a container that answers %i', async (status, name, code, retryable) => {
  answer = { status, body: 'secret' }
  const error = (await rejection(
    inScope((scope) => sagemaker('own', { client }).bind(scope).invoke('x')),
  )) as SluiceError
  expect(error).toMatchObject({ name, code, retryable, unbilled: true })
  expect(error.message).not.toContain('secret')
})

test.each([
  ['ModelNotReadyException', 429, 'unavailable', true],
  ['InternalDependencyException', 530, 'unavailable', false],
  ['InternalFailure', 500, 'unavailable', true],
  ['ThrottlingException', 400, 'throttled', true],
  ['ValidationError', 400, 'invalid_request', false],
  ['AccessDeniedException', 403, 'access_denied', false],
] as const)('%s of the service', async (name, status, code, retryable) => {
  local.setFaults([{ fault: 'error', name, status }])
  const error = await rejection(inScope((scope) => sagemaker('own', { client }).bind(scope).invoke('x')))
  expect(error).toMatchObject({ code, retryable })
})

test('a stream that took too long is not tried again, one that broke is', () => {
  const thrown = (ErrorCode: string) => Object.assign(new Error(), { name: 'ModelStreamError', ErrorCode })
  expect(toSluiceError(thrown('ModelInvocationTimeExceeded'))).toMatchObject({
    code: 'model_failed',
    retryable: false,
  })
  expect(toSluiceError(thrown('StreamBroken'))).toMatchObject({ code: 'model_failed', retryable: true })
})

test('what a container reports in its stream is no answer', async () => {
  const stream = (body: string) => {
    answer = { body }
    return rejection(
      inScope(async (scope) =>
        (await sagemaker('own', { adapter: tgi(), client }).bind(scope).stream('x')).answer(),
      ),
    )
  }
  expect(await stream('data:{"error":"secret","error_type":"overloaded"}\n\n')).toMatchObject({
    code: 'unavailable',
    retryable: true,
  })
  const failed = (await stream('data:{"error":"secret","error_type":"generation"}\n\n')) as SluiceError
  expect(failed).toMatchObject({ code: 'model_failed', retryable: false })
  expect(failed.message).not.toContain('secret')
  expect(await stream('data:{"token":{"text":"a"}}\n\ndata:no JSON\n\n')).toMatchObject({
    name: 'StreamInterruptedError',
  })
})

test('another endpoint stands in: by its name, and as a provider with a client of its own', async () => {
  const attempts = recordAttempts()
  local.setFaults([{ fault: 'error', name: 'ServiceUnavailable', status: 503, model: 'chat' }])
  const elsewhere = newClient()
  onTestFinished(() => elsewhere.destroy())
  for (const candidates of [['other'], ['parts/small'], [sagemaker('other', { client: elsewhere })]]) {
    await runInScope({ policies: [...once, fallback(candidates)] }, async (scope) => {
      const model = sagemaker('chat', { client, targetVariant: 'blue' }).bind(scope)
      expect((await model.invoke('My card never came. I waited.')).text).toContain('card')
      expect(await (await model.stream('My card never came.')).answer()).toMatchObject({
        text: expect.stringContaining('card'),
      })
    })
  }
  expect(attempts.map(({ modelId, status }) => `${modelId} ${status}`)).toEqual(
    ['other', 'parts/small', 'other'].flatMap((name) => [
      'chat failed',
      `${name} answered`,
      'chat failed',
      `${name} answered`,
    ]),
  )
  // A guarded client gives what the SDK gives, whoever answers.
  const ours = guarded(newClient())
  onTestFinished(() => ours.destroy())
  await runInScope(
    { policies: [...once, fallback([sagemaker('other', { client: elsewhere })])] },
    async () => {
      const input = {
        EndpointName: 'chat',
        Body: Buffer.from('{"messages":[{"role":"user","content":"My card."}],"stream":true}'),
      }
      expect((await ours.send(new InvokeEndpointCommand(input))).Body.transformToString()).toContain('card')
      const { Body = [] } = await ours.send(new InvokeEndpointWithResponseStreamCommand(input))
      let text = ''
      for await (const { PayloadPart } of Body) text += Buffer.from(PayloadPart?.Bytes ?? []).toString()
      expect(text).toMatch(/^data: .*\[DONE\]\n\n$/s)
      const csvOnly = sagemaker('other', { adapter: csv(), client })
      const request = {
        provider: 'sagemaker',
        operation: 'InvokeEndpointWithResponseStream',
        payload: input,
      } as never
      expect(() => csvOnly.adopt(request)).toThrow('cannot stream')
    },
  )
  const foreign = { provider: 'bedrock', operation: 'Converse' } as never
  expect(() => sagemaker('other', { client }).adopt(foreign)).toThrow('cannot take over')
})

test('a deadline that is near asks for fewer tokens, in the language of the container', async () => {
  const attempts = recordAttempts()
  const fewer: CallPolicy = {
    name: 'fewer',
    stage: 'deadline',
    wrap: (next) => (request, context) =>
      next(request.transport.withMaxTokens?.(request, 3) ?? request, context),
  }
  await runInScope({ policies: [...once, fewer] }, async (scope) => {
    const asked = { messages: [{ role: 'user', content: 'My card never came.' }], max_completion_tokens: 90 }
    expect(await sagemaker('chat', { client }).bind(scope).invoke(asked)).toMatchObject({
      stopReason: 'max_tokens',
    })
    const stream = await sagemaker('tgi', { adapter: tgi(), maxTokens: 90, client })
      .bind(scope)
      .stream('My card never came.')
    expect(await stream.answer()).toMatchObject({ stopReason: 'max_tokens', usage: { outputTokens: 3 } })
    answer = { body: '1' }
    await sagemaker('own', { adapter: csv(), client })
      .bind(scope)
      .invoke([[1]])
  })
  expect(attempts.map(({ maxTokens }) => maxTokens)).toEqual([3, 3, undefined])
})

test('equal requests are answered once, also as streams and for guarded clients', async () => {
  const ours = guarded(newClient())
  onTestFinished(() => ours.destroy())
  const policies = [cache({ ttlMs: 60_000 })]
  await runInScope({ policies }, async (scope) => {
    const model = sagemaker('chat', { client }).bind(scope)
    const answers = [await model.invoke('Where is my card?'), await model.invoke('Where is my card?')]
    expect(answers[1]).toEqual(answers[0])
    const streams = [await model.stream('Where?'), await model.stream('Where?')]
    expect(await streams[1]?.answer()).toEqual(await streams[0]?.answer())
    const command = () =>
      new InvokeEndpointCommand({
        EndpointName: 'chat',
        Body: Buffer.from('{"messages":[{"role":"user","content":"My card never came."}]}'),
      })
    const outputs = [await ours.send(command()), await ours.send(command())]
    expect(outputs[1]?.Body?.transformToString()).toBe(outputs[0]?.Body?.transformToString())
    expect(outputs[1]?.$metadata.attempts).toBe(0)
  })
  expect(local.counters().requests).toBe(3)
})

test('a guarded client: the same object, errors of the SDK, one charge however often it is guarded', async () => {
  const attempts = recordAttempts()
  const bare = newClient()
  onTestFinished(() => bare.destroy())
  const ours = guarded(guarded(bare))
  expect(ours).toBe(bare)
  expectTypeOf(ours).toEqualTypeOf<SageMakerRuntimeClient>()
  await inScope(async (scope) => {
    await sagemaker('chat', { client: ours }).bind(scope).invoke('Hello there.')
    expect(attempts).toHaveLength(1)
    answer = { status: 400, body: 'no' }
    const error = await rejection(
      ours.send(new InvokeEndpointCommand({ EndpointName: 'own', Body: Buffer.from('{}') })),
    )
    expect(error).toMatchObject({ name: 'ModelError', OriginalStatusCode: 400, $metadata: { attempts: 1 } })
  })
  const described = guarded(newClient(), { describe: () => ({ maxTokens: 9, inputBytes: 100 }) })
  onTestFinished(() => described.destroy())
  answer = { body: '{}' }
  await inScope(async () => {
    await described.send(new InvokeEndpointCommand({ EndpointName: 'own', Body: Buffer.from('x') }))
    await ours.send(
      new InvokeEndpointCommand({
        EndpointName: 'own',
        Body: Buffer.from('{"parameters":{"max_new_tokens":7}}'),
      }),
    )
  })
  expect(attempts.slice(-2)).toMatchObject([
    { maxTokens: 9, inputBytes: 100 },
    { maxTokens: 7, inputBytes: 35 },
  ])
})

test('a guarded client outside of an invocation is the bare SDK, or refuses', async () => {
  const strict = guarded(newClient(), { outside: 'throw' })
  onTestFinished(() => strict.destroy())
  const command = new InvokeEndpointWithResponseStreamCommand({
    EndpointName: 'chat',
    Body: Buffer.from('{}'),
  })
  await expect(strict.send(command)).rejects.toMatchObject({ code: 'no_scope' })
})

test.each([
  ['endpoint', () => sagemaker('a b')],
  ['maxTokens', () => sagemaker('a', { maxTokens: 0 })],
  ['temperature', () => sagemaker('a', { temperature: 3 })],
  ['topP', () => sagemaker('a', { topP: -1 })],
  ['customAttributes', () => sagemaker('a', { customAttributes: 'ü' })],
  ['target models', () => sagemaker('a', { inferenceComponent: 'x', targetModel: 'y' })],
])('%s is checked at start', (name, make) => {
  expect(make).toThrow(TypeError)
  expect(make).toThrow(name)
})
