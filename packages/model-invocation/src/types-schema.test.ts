/** What the compiler must know of schemas, tools and embeddings: checked by `tsc`; running it only shows that it can be run. */

import { BedrockRuntimeClient, type Message } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import type { Usage } from '@sluice/core'
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type BedrockEmbeddingModel, type BedrockModel, bedrock, bedrockEmbedding } from './bedrock.ts'
import {
  modelInvocation,
  runTools,
  type StandardSchema,
  structured,
  type Tool,
  tool,
  type ValueSchema,
} from './index.ts'

const client = new BedrockRuntimeClient({ region: 'us-east-1' })
const model = bedrock('eu.amazon.nova-lite-v1:0', { client })

interface Ticket {
  topic: 'card' | 'loan'
  days: number
}

/** Never called: a call would need an invocation. */
const uses = async (model: BedrockModel) => {
  const zodSchema = z.object({ topic: z.enum(['card', 'loan']), days: z.number() })
  const byZod = await structured(model, 'Hello', zodSchema)
  expectTypeOf(byZod.value).toEqualTypeOf<Ticket>()
  expectTypeOf(byZod.usage).toEqualTypeOf<Usage>()
  expectTypeOf(byZod.message).toEqualTypeOf<Message>()
  // @ts-expect-error there is no such member
  byZod.value.topik
  // @ts-expect-error one of two
  byZod.value.topic === 'house'

  const transformed = await structured(
    model,
    'Hello',
    z.object({ at: z.string() }).transform(({ at }) => at.length),
  )
  expectTypeOf(transformed.value).toEqualTypeOf<number>()

  const arkSchema = type({ topic: "'card' | 'loan'", days: 'number' })
  const byArk = await structured(model, 'Hello', arkSchema)
  expectTypeOf(byArk.value).toEqualTypeOf<Ticket>()

  const valibotSchema = v.object({ topic: v.picklist(['card', 'loan']), days: v.number() })
  expectTypeOf(
    (await structured(model, 'Hello', toStandardJsonSchema(valibotSchema))).value,
  ).toEqualTypeOf<Ticket>()
  expectTypeOf(
    (await structured(model, 'Hello', { schema: valibotSchema, jsonSchema: {} })).value,
  ).toEqualTypeOf<Ticket>()
  // @ts-expect-error valibot's own schemas do not tell their JSON Schema
  void structured(model, 'Hello', valibotSchema)

  expectTypeOf((await structured<Ticket>(model, 'Hello', { jsonSchema: {} })).value).toEqualTypeOf<Ticket>()
  expectTypeOf((await structured(model, 'Hello', { jsonSchema: {} })).value).toEqualTypeOf<unknown>()
  // @ts-expect-error one of two words
  void structured(model, 'Hello', zodSchema, { by: 'magic' })

  const search = tool({
    name: 'search',
    input: z.object({ query: z.string(), limit: z.number().optional() }),
    run(input, { signal }) {
      expectTypeOf(input).toEqualTypeOf<{ query: string; limit?: number | undefined }>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    },
  })
  const save = tool({
    name: 'save',
    input: arkSchema,
    run(input) {
      expectTypeOf(input).toEqualTypeOf<Ticket>()
    },
  })
  const remove = tool<{ id: string }>({
    name: 'remove',
    input: { jsonSchema: { type: 'object' } },
    run: ({ id }) => id.length,
  })
  tool({
    name: 'wrong',
    // @ts-expect-error what is run wants another input
    input: z.object({ query: z.string() }),
    run: (input: { query: number }) => input,
  })
  expectTypeOf(save).toEqualTypeOf<Tool<Ticket>>()
  const answer = await runTools(model, 'Hello', { tools: [search, save, remove] })
  expectTypeOf(answer.rounds).toBeNumber()
  expectTypeOf(answer.messages).toEqualTypeOf<readonly Message[]>()
  // @ts-expect-error tools are needed
  void runTools(model, 'Hello', {})
  // @ts-expect-error misspelt
  void runTools(model, 'Hello', { tools: [search], maxRound: 3 })

  expectTypeOf(await model.countTokens('Hello')).toBeNumber()
  const { output, intervened } = await model.invoke('Hello')
  expectTypeOf(intervened).toBeBoolean()
  expectTypeOf(output.serviceTier?.type).toExtend<string | undefined>()
}

test('values and inputs are typed by their schemas', () => {
  expectTypeOf(uses).toBeFunction()
})

test('every Standard Schema is one of ours, and those with a JSON Schema can be told to a model', () => {
  expectTypeOf<StandardSchemaV1<unknown, Ticket>>().toExtend<StandardSchema<Ticket>>()
  expectTypeOf<{
    '~standard': StandardSchemaV1<unknown, Ticket>['~standard'] &
      StandardJSONSchemaV1<unknown, Ticket>['~standard']
  }>().toExtend<ValueSchema<Ticket>>()
})

test('an embedding model is put on the context as any model is', () => {
  const embedding = bedrockEmbedding('amazon.titan-embed-text-v2:0', { client, dimensions: 256 })
  middy<{ texts: string[] }>()
    .use(modelInvocation({ model }))
    .use(modelInvocation({ model: embedding, contextKey: 'embedding' }))
    .handler(async ({ texts }, context) => {
      expectTypeOf(context.model).toEqualTypeOf<BedrockModel>()
      expectTypeOf(context.embedding).toEqualTypeOf<BedrockEmbeddingModel>()
      const { vectors } = await context.embedding.embed(texts, { purpose: 'search_query' })
      expectTypeOf(vectors).toEqualTypeOf<readonly (readonly number[])[]>()
      // @ts-expect-error it embeds, and nothing else
      context.embedding.invoke
      // @ts-expect-error a list
      void context.embedding.embed('a')
    })
  const wrong = () => {
    // @ts-expect-error one of four
    bedrockEmbedding('cohere.embed-multilingual-v3', { client, purpose: 'searching' })
  }
  expectTypeOf(wrong).toBeFunction()
})
