import { inspect } from 'node:util'
import {
  type BedrockRuntimeClient,
  ConverseCommand,
  InvokeModelCommand,
  ValidationException,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { runInScope, SluiceError } from '@sluice/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import type { LocalBedrock } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import { asking, lambdaContext, modelId, newClient, observe, startEndpoint } from './testing.ts'

const quickly = () => [retry({ random: () => 0 })]

describe('in this process', () => {
  let endpoint: LocalBedrock
  let client: BedrockRuntimeClient
  beforeEach(async () => {
    endpoint = await startEndpoint()
    client = newClient(endpoint.url)
  })

  function ask(prompt: unknown, id = modelId): Promise<string> {
    return runInScope({ policies: quickly() }, async (scope) => {
      const model = bedrock(id, { client }).bind(scope)
      return (await model.invoke(prompt as string)).text
    })
  }

  async function failureOf(work: Promise<unknown>): Promise<SluiceError> {
    const error = await work.then(
      () => expect.unreachable('it was answered'),
      (thrown: unknown) => thrown,
    )
    expect(SluiceError.is(error), inspect(error)).toBe(true)
    return error as SluiceError
  }

  const works = async () => expect(await ask('Where is my card?')).toMatch(/card/)

  test.for([
    ['that is not known', 'no.such-model'],
    ["of another service's ARN", 'arn:aws:s3:::bucket/key'],
    ['with spaces', 'my own model'],
    ['with a space too many', ` ${modelId}`],
    ['in Unicode', 'modèle-🦙'],
    ['that would be another path', '../../model'],
    ['with a header in it', 'a\r\nhost: b'],
  ])('a model id %s: an error that says where to look, and no retry', async ([, id]) => {
    const error = await failureOf(ask('hello', id))
    expect(error).toMatchObject({
      name: 'ModelError',
      code: 'invalid_request',
      statusCode: 400,
      retryable: false,
    })
    expect(error.message).toMatch(/no model with this id in this Region/)
    expect(endpoint.counters().requests).toBe(1)
    await works()
  })

  test('a model id that no URL can carry is an error of the SDK, told as such', async () => {
    expect((await failureOf(ask('hello', 'lone \ud800'))).message).toMatch(/SDK failed \(URIError\)/)
    await works()
  })

  test.for(['', ' ', undefined, null, 5, {}])('the model id %o is refused at once', (id) => {
    expect(() => bedrock(id as string)).toThrow(TypeError)
    expect(() => bedrock(id as string)).toThrow(/Give an id such as "eu\.amazon/)
  })

  test.for([
    ['null', null],
    ['undefined', undefined],
    ['a number', 5],
    ['a function', () => {}],
  ])('a prompt that is %s is refused before anything is sent', async ([, prompt]) => {
    const error = await failureOf(ask(prompt))
    expect(error).toMatchObject({ code: 'invalid_request', statusCode: 400 })
    expect(error.message).toMatch(/Give a text, or .*messages/)
    expect(endpoint.counters().requests).toBe(0)
    await works()
  })

  test.for([
    ['without messages', {}],
    ['with null for messages', { messages: null }],
    ['with no message', { messages: [] }],
    ['with a message that is null', { messages: [null] }],
    ['with content that is null', { messages: [{ role: 'user', content: null }] }],
    ['with a text that is null', { messages: [{ role: 'user', content: [{ text: null }] }] }],
    ['with maxTokens below 1', { ...asking('hello'), inferenceConfig: { maxTokens: -1 } }],
    ['that is an empty text', ''],
  ])("a prompt %s: Bedrock's refusal, whose words are the cause", async ([, prompt]) => {
    const error = await failureOf(ask(prompt))
    expect(error).toMatchObject({
      name: 'ModelError',
      code: 'invalid_request',
      statusCode: 400,
      retryable: false,
    })
    expect(error.message).toMatch(/request does not fit.*cause/)
    expect(error.cause).toBeInstanceOf(ValidationException)
    expect(endpoint.counters().requests).toBe(1)
    await works()
  })

  test('a prompt of 10 MB is refused with advice, one of 30 MB too, and neither hurts', async () => {
    const tooLong = await failureOf(ask('word '.repeat(2_000_000)))
    expect(tooLong.message).toMatch(/longer than the context of the model\. Shorten or split it/)
    const tooLarge = await failureOf(ask('word '.repeat(6_000_000)))
    expect(tooLarge).toMatchObject({ code: 'invalid_request', statusCode: 413 })
    await works()
  })

  test('lone surrogates and control characters in a prompt are no reason to fail', async () => {
    expect(await ask('lone \ud800 surrogate')).toBeTypeOf('string')
    expect(await ask('nothing \u0000 special')).toBeTypeOf('string')
    await works()
  })

  test.for([
    ['that is no UTF-8', Uint8Array.of(0xff, 0xfe, 0x80)],
    ['that is no JSON', '{"messages": ['],
    ['that is empty', ''],
    ['that is null', null],
  ])('an InvokeModel body %s: the answer of Bedrock, as the SDK has it', async ([, body]) => {
    const send = runInScope({}, () =>
      guarded(client).send(new InvokeModelCommand({ modelId, body: body as string })),
    )
    await expect(send).rejects.toMatchObject({ name: 'ValidationException', $metadata: { attempts: 1 } })
    await works()
  })

  test('a guarded command without an id fails as the SDK fails', async () => {
    const observed = observe()
    const { messages } = asking('hello')
    for (const id of ['', undefined as unknown as string]) {
      const bare = await newClient(endpoint.url)
        .send(new ConverseCommand({ modelId: id, messages }))
        .catch(String)
      const own = await runInScope({}, () =>
        guarded(client).send(new ConverseCommand({ modelId: id, messages })),
      ).catch(String)
      expect(own).toBe(bare)
    }
    expect(observed.attempts).toMatchObject(Array.from({ length: 2 }, () => ({ status: 'failed' })))
    await works()
  })

  test.for([
    ['maxTokens', { maxTokens: 0 }],
    ['maxTokens', { maxTokens: 1.5 }],
    ['maxTokens', { maxTokens: Number.NaN }],
    ['maxTokens', { maxTokens: '300' }],
    ['temperature', { temperature: -0.1 }],
    ['temperature', { temperature: 2 }],
    ['topP', { topP: Number.NaN }],
    ['topP', { topP: '1' }],
  ] as const)('%s out of range, %o: refused at init by name and value', ([option, settings]) => {
    const value = Object.values(settings)[0]
    expect(() => bedrock(modelId, settings as object)).toThrow(TypeError)
    expect(() => bedrock(modelId, settings as object)).toThrow(
      new RegExp(`bedrock: ${option} is .*${value}.*Give`),
    )
  })

  test.for([
    ['maxAttempts', 0],
    ['maxAttempts', Number.NaN],
    ['maxAttempts', '3'],
    ['baseDelayMs', -1],
    ['maxDelayMs', Number.POSITIVE_INFINITY],
    ['budgetTokens', null],
  ] as const)('retry: %s %o is refused at init by name and value', ([option, value]) => {
    expect(() => retry({ [option]: value })).toThrow(TypeError)
    expect(() => retry({ [option]: value })).toThrow(
      new RegExp(`retry: ${option} is ${value}.*Give a number`),
    )
  })

  test.for([[{}], [{ model: null }], [{ model: modelId }], [undefined]])(
    'modelInvocation(%o) is refused at init',
    ([options]) => {
      expect(() => modelInvocation(options as never)).toThrow(TypeError)
    },
  )

  test.for([undefined, null, 'a text', 5, [], { Records: [] }, { Records: null }])(
    'an event that is %o reaches its handler',
    async (event) => {
      const handler = middy()
        .use(modelInvocation({ model: bedrock(modelId, { client }) }))
        .handler(async (event, { model }) => ({
          event,
          text: (await model.invoke('Where is my card?')).text,
        }))
      const { text } = (await handler(event, lambdaContext('odd') as never)) as { text: string }
      expect(text).toMatch(/card/)
    },
  )
})
