import { InvalidAnswerError, SluiceError } from '@sluice/core'
import { NumericValue } from '@smithy/core/serde'
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { recordAttempts, rejection, startBench, type Turn } from './fixtures/bench.ts'
import { structured } from './index.ts'
import { readySchema, type ValueSchema } from './schema.ts'

const Ticket = z.object({ topic: z.enum(['card', 'loan']), days: z.number().int() })
const right = { topic: 'card', days: 14 }
const answer = (input: unknown): Turn => [{ name: 'answer', input }]

const jsonSchema = {
  type: 'object',
  properties: { topic: { enum: ['card', 'loan'] }, days: { type: 'integer' } },
  required: ['topic', 'days'],
} as const

describe.each<[string, ValueSchema<{ topic: string; days: number }>]>([
  ['zod', Ticket],
  ['arktype', type({ topic: "'card' | 'loan'", days: 'number.integer' })],
  [
    'valibot by its converter',
    toStandardJsonSchema(
      v.object({ topic: v.picklist(['card', 'loan']), days: v.pipe(v.number(), v.integer()) }),
    ),
  ],
  [
    'valibot with a JSON Schema beside it',
    { schema: v.object({ topic: v.picklist(['card', 'loan']), days: v.number() }), jsonSchema },
  ],
])('a schema of %s', (_name, schema) => {
  test.each(['tool', 'format'] as const)('gives a value, asked for by %s', async (by) => {
    const bench = await startBench(() => (by === 'tool' ? answer(right) : JSON.stringify(right)))
    const { value, rounds } = await bench.run((model) =>
      structured(model, 'My card never came.', schema, { by }),
    )
    expect(value).toEqual(right)
    expect(rounds).toBe(1)
    const [{ tools, toolChoice, schema: format }] = bench.asked as [(typeof bench.asked)[number]]
    const told = by === 'tool' ? tools[0]?.inputSchema : format
    expect(told).toMatchObject({ type: 'object', required: expect.arrayContaining(['topic', 'days']) })
    expect(told).not.toHaveProperty('$schema')
    expect(toolChoice).toEqual(by === 'tool' ? { name: 'answer' } : undefined)
  })

  test.each(['tool', 'format'] as const)('is repaired once, asked for by %s', async (by) => {
    const attempts = recordAttempts()
    const wrong = { topic: 'house', days: 'many' }
    const bench = await startBench((round) => {
      const value = round === 1 ? wrong : right
      return by === 'tool' ? answer(value) : JSON.stringify(value)
    })
    const { value, rounds, usage } = await bench.run((model) =>
      structured(model, 'My card never came.', schema, { by }),
    )
    expect(value).toEqual(right)
    expect(rounds).toBe(2)
    const turns = bench.asked[1]?.turns ?? []
    expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
    expect(turns[2]?.text).toMatch(/does not fit the schema/)
    expect(turns[2]?.text).toMatch(/topic/)
    if (by === 'format') expect(turns[1]?.text).toContain('house')
    const { inputTokens, outputTokens } = bench.endpoint.counters()
    expect(usage).toMatchObject({ inputTokens, outputTokens })
    expect(attempts).toHaveLength(2)
  })
})

test('a JSON Schema alone is told to the model, and the answer is trusted', async () => {
  const bench = await startBench(() => answer({ ...right, days: 'some' }))
  const { value } = await bench.run((model) => structured<typeof right>(model, 'Hello', { jsonSchema }))
  expect(value).toEqual({ topic: 'card', days: 'some' })
})

test.each([
  ['a list', z.array(z.string()), ['a', 'b']],
  ['a word', z.enum(['yes', 'no']), 'no'],
  ['nothing', z.union([z.null(), z.number()]), null],
  ['one of two objects', z.union([z.object({ a: z.string() }), z.object({ b: z.number() })]), { b: 1 }],
])('%s is wrapped in an object, as tools want it, and unwrapped', async (_name, schema, value) => {
  for (const by of ['tool', 'format'] as const) {
    const bench = await startBench(() => (by === 'tool' ? answer({ value }) : JSON.stringify({ value })))
    expect(await bench.run((model) => structured(model, 'Hello', schema as z.ZodType, { by }))).toMatchObject(
      {
        value,
      },
    )
  }
})

test('a schema that refers to itself at its root keeps its meaning when it is wrapped', async () => {
  interface Tree {
    [name: string]: Tree
  }
  const bench = await startBench(() => answer({ value: { a: { b: {} } } }))
  const tree = { anyOf: [{ type: 'object', additionalProperties: { $ref: '#' } }] }
  await bench.run((model) => structured<Tree>(model, 'Hello', { jsonSchema: tree }))
  expect(bench.asked[0]?.tools[0]?.inputSchema).toEqual({
    type: 'object',
    properties: {
      value: { anyOf: [{ type: 'object', additionalProperties: { $ref: '#/properties/value' } }] },
    },
    required: ['value'],
  })
})

describe('what does not fit', () => {
  test('is an error after one repair, with paths and kinds and the usage of both rounds', async () => {
    const bench = await startBench(() => answer({ topic: 'SECRET', days: 1.5, SECRET: 1 }))
    const error = (await rejection(
      bench.run((model) => structured(model, 'Hello', z.strictObject(Ticket.shape))),
    )) as InvalidAnswerError
    expect(error).toBeInstanceOf(InvalidAnswerError)
    expect(error).toMatchObject({
      name: 'InvalidAnswerError',
      code: 'invalid_answer',
      retryable: true,
      statusCode: 502,
      stopReason: 'tool_use',
      issues: [
        { path: 'topic', kind: 'invalid_value' },
        { path: 'days', kind: 'invalid_type' },
        { path: '', kind: 'unrecognized_keys' },
      ],
    })
    expect(error.message).toMatch(/also after a repair: topic \(invalid_value\), days \(invalid_type\)/)
    expect(error.usage.outputTokens).toBe(bench.endpoint.counters().outputTokens)
    expect(bench.asked).toHaveLength(2)
    expect(JSON.stringify(error.original.answer)).toContain('SECRET')
    expect(Object.keys(error)).not.toContain('original')
  })

  test('names that the model made up are not in a path', async () => {
    const bench = await startBench(() => answer({ SECRET: { deep: 'no' } }))
    const schema = z.record(z.string(), z.object({ deep: z.number() }))
    const error = (await rejection(
      bench.run((model) => structured(model, 'Hello', schema)),
    )) as InvalidAnswerError
    expect(error.issues).toEqual([{ path: '*.deep', kind: 'invalid_type' }])
  })

  test('no JSON, no call of the tool, and a validator that throws are repaired as well', async () => {
    const throws = Ticket.transform((ticket) => {
      if (ticket.days < 0) throw new Error('SECRET')
      return ticket
    })
    for (const [by, first, kind] of [
      ['format', 'I am sorry, SECRET', 'not_json'],
      ['tool', 'I am sorry, SECRET', 'missing'],
      ['tool', answer({ topic: 'card', days: -1 }), 'validator_failed'],
    ] as const) {
      const good = by === 'tool' ? answer(right) : JSON.stringify(right)
      const bench = await startBench((round) => (round === 1 ? first : good))
      const ask = (repair: boolean) =>
        bench.run((model) => structured(model, 'Hello', { schema: throws, jsonSchema }, { by, repair }))
      expect(await rejection(ask(false))).toMatchObject({ issues: [{ path: '', kind }] })
      expect((await ask(true)).value).toEqual(right)
    }
  })

  test('an empty answer is asked for again, without a message that Bedrock would refuse', async () => {
    const bench = await startBench((round) => (round === 1 ? '' : answer(right)))
    expect((await bench.run((model) => structured(model, 'Hello', Ticket))).value).toEqual(right)
    expect(bench.asked[1]?.turns).toEqual(bench.asked[0]?.turns)
  })

  test('an answer that was cut is none, even when what is left of it fits', async () => {
    const bench = await startBench(() => answer(right))
    const error = (await rejection(
      bench.run((model) => structured(model, 'Hello', z.object({})), {
        settings: { maxTokens: 1 },
      }),
    )) as InvalidAnswerError
    expect(error).toMatchObject({ stopReason: 'max_tokens', retryable: false })
    expect(error.message).toMatch(/not whole: max_tokens\. Allow more tokens/)
    expect(bench.asked).toHaveLength(1)
  })

  test('of many issues, all are in the error and five in its message', async () => {
    const bench = await startBench(() => answer({ value: [1, 2, 3, 4, 5, 6, 7] }))
    const error = (await rejection(
      bench.run((model) => structured(model, 'Hello', z.array(z.string()))),
    )) as InvalidAnswerError
    expect(error.issues).toHaveLength(7)
    expect(error.message).toMatch(/: 0 \(invalid_type\),(?: \d \(invalid_type\),){4} \.\.\.\.$/)
  })

  test('repair: false asks once', async () => {
    const bench = await startBench(() => answer({}))
    await expect(bench.run((model) => structured(model, 'Hello', Ticket, { repair: false }))).rejects.toThrow(
      InvalidAnswerError,
    )
    expect(bench.asked).toHaveLength(1)
  })
})

test('numbers with more digits than a double has are numbers all the same', async () => {
  const bench = await startBench(() => answer({ count: 2 ** 60 }))
  const { value } = await bench.run((model) => structured(model, 'Hello', z.object({ count: z.number() })))
  expect(value.count).toBe(2 ** 60)
  // As the SDK reads a document.
  const read = readySchema('test', { jsonSchema: { type: 'object' } }).read
  const given = {
    a: [new NumericValue('0.1234567890123456789', 'bigDecimal'), 5n],
    string: 'x',
    type: 'bigDecimal',
  }
  expect(await read(given)).toEqual({
    value: { a: [0.12345678901234568, 5], string: 'x', type: 'bigDecimal' },
  })
})

test('tools, settings and the conversation of the prompt are kept', async () => {
  const bench = await startBench(() => answer(right))
  const toolSpec = { name: 'search', inputSchema: { json: { type: 'object' } } }
  await bench.run((model) =>
    structured(
      model,
      {
        system: 'Be brief.',
        messages: [
          { role: 'user', content: [{ text: 'Hello' }] },
          { role: 'assistant', content: [{ text: 'Yes?' }] },
          { role: 'user', content: [{ text: 'My card.' }] },
        ],
        toolConfig: { tools: [{ toolSpec }] },
      },
      Ticket,
      { name: 'file', description: 'Files a ticket' },
    ).catch(() => {}),
  )
  const [asked] = bench.asked
  expect(asked?.system).toBe('Be brief.')
  expect(asked?.turns).toHaveLength(3)
  expect(asked?.tools.map(({ name }) => name)).toEqual(['search', 'file'])
  expect(asked?.tools[1]?.description).toBe('Files a ticket')
})

test('a schema that cannot be told to a model is a TypeError that says what to give', async () => {
  const bench = await startBench()
  const ask = (schema: unknown) =>
    rejection(bench.run((model) => structured(model, 'Hello', schema as z.ZodType)))
  expect(String(await ask(v.object({})))).toMatch(/^TypeError: structured: .*Give \{ schema, jsonSchema \}/)
  expect(String(await ask(z.object({ at: z.date() })))).toMatch(/^TypeError: structured: .*no JSON Schema/)
  expect(SluiceError.is(await ask(null))).toBe(false)
  expect(bench.asked).toHaveLength(0)
})

test('an abort ends it between the rounds as well', async () => {
  const controller = new AbortController()
  const bench = await startBench(() => {
    controller.abort()
    return answer({})
  })
  const error = await rejection(
    bench.run((model) => structured(model, 'Hello', Ticket, { signal: controller.signal })),
  )
  expect(error).toMatchObject({ name: 'AbortError' })
})
