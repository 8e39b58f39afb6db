/** What the compiler must know, and what it must refuse: checked by `tsc`; running it only shows that it can be run. */

import {
  BedrockRuntimeClient,
  type BedrockRuntimeClientConfig,
  type ConverseStreamOutput,
  type Message,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import type { Usage } from '@sluice/core'
import type { Context } from 'aws-lambda'
import { expectTypeOf, test } from 'vitest'
import { type BedrockAnswer, type BedrockModel, bedrock, type GuardedOptions, guarded } from './bedrock.ts'
import { type ModelInvocationOptions, modelInvocation, type RetryOptions, retry } from './index.ts'

interface TicketEvent {
  readonly text: string
}

const client = new BedrockRuntimeClient({ region: 'us-east-1' })
const model = bedrock('eu.amazon.nova-lite-v1:0', { client, maxTokens: 300 })

test('a handler after the middleware has a model on its context, and its event', () => {
  middy<TicketEvent>()
    .use(retry())
    .use(modelInvocation({ model }))
    .handler(async (event, context) => {
      expectTypeOf(event.text).toBeString()
      expectTypeOf(context.model).toEqualTypeOf<BedrockModel>()
      expectTypeOf(context.awsRequestId).toBeString()
      const answer = await context.model.invoke(event.text)
      expectTypeOf(answer).toEqualTypeOf<BedrockAnswer>()
      expectTypeOf(answer.message).toEqualTypeOf<Message>()
      expectTypeOf(answer.text).toBeString()
      expectTypeOf(answer.usage).toEqualTypeOf<Usage | undefined>()
      const stream = await context.model.stream({ messages: [answer.message] })
      for await (const event of stream) expectTypeOf(event).toEqualTypeOf<ConverseStreamOutput>()
      for await (const text of stream.text) expectTypeOf(text).toBeString()
      // @ts-expect-error there is no such thing on the context
      context.modell
      // @ts-expect-error a prompt is a text or a request
      void context.model.invoke(5)
      // @ts-expect-error the id is the model's, not the prompt's
      void context.model.invoke({ messages: [], modelId: 'another' })
      // @ts-expect-error an answer is text, message, stop reason and usage
      answer.content
    })
})

test('a handler without the middleware has no model', () => {
  middy<TicketEvent>()
    .use(retry())
    .handler(async (_event, context) => {
      expectTypeOf(context).toExtend<Context>()
      // @ts-expect-error nobody put one there
      context.model
    })
})

test('models under their own keys, whatever the order and also from a list', () => {
  const small = modelInvocation({ model, contextKey: 'small' })
  const large = modelInvocation({ model, contextKey: 'large' })
  middy()
    .use(large)
    .use(small)
    .handler(async (_event, context) => {
      expectTypeOf(context.small).toEqualTypeOf<BedrockModel>()
      expectTypeOf(context.large).toEqualTypeOf<BedrockModel>()
      // @ts-expect-error there is none under the default key
      context.model
    })
  middy()
    .use([small, large, retry()])
    .handler(async (_event, { small, large }) => {
      expectTypeOf(small).toEqualTypeOf<BedrockModel>()
      expectTypeOf(large).toEqualTypeOf<BedrockModel>()
    })
})

test('wrong options do not compile', () => {
  const wrong = () => {
    // @ts-expect-error a model is made by a provider
    modelInvocation({ model: 'eu.amazon.nova-lite-v1:0' })
    // @ts-expect-error a model is needed
    modelInvocation({})
    // @ts-expect-error a key is a string
    modelInvocation({ model, contextKey: 5 })
    // @ts-expect-error misspelt
    modelInvocation({ model, contextkey: 'small' })
    // @ts-expect-error misspelt
    bedrock('eu.amazon.nova-lite-v1:0', { maxToken: 300 })
    // @ts-expect-error a number
    bedrock('eu.amazon.nova-lite-v1:0', { temperature: 'hot' })
    // @ts-expect-error the messages are the prompt's
    bedrock('eu.amazon.nova-lite-v1:0', { messages: [] })
    // @ts-expect-error misspelt
    retry({ maxattempts: 3 })
    // @ts-expect-error one of two words
    guarded(client, { outside: 'ignore' })
    // @ts-expect-error no client of Bedrock
    guarded({ send: () => {} })
    // @ts-expect-error undefined is no number of attempts
    retry({ maxAttempts: undefined })
  }
  expectTypeOf(wrong).toBeFunction()
})

test('a guarded client keeps its type, also one of its own', () => {
  class OwnClient extends BedrockRuntimeClient {
    readonly own: string
    constructor(config: BedrockRuntimeClientConfig) {
      super(config)
      this.own = 'yes'
    }
  }
  expectTypeOf(guarded(client)).toEqualTypeOf<BedrockRuntimeClient>()
  expectTypeOf(guarded(new OwnClient({ region: 'us-east-1' }))).toEqualTypeOf<OwnClient>()
})

test('options can be written down before they are used', () => {
  expectTypeOf<GuardedOptions>().toExtend<Parameters<typeof guarded>[1]>()
  expectTypeOf<RetryOptions>().toExtend<Parameters<typeof retry>[0]>()
  expectTypeOf<ModelInvocationOptions<BedrockModel, 'model'>>().toHaveProperty('contextKey')
})
