import { InvalidAnswerError } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startBench, type Turn } from './fixtures/bench.ts'
import { structured } from './index.ts'

/** A schema, and a value that fits it. */
interface Pair {
  readonly schema: z.ZodType
  readonly value: unknown
}

const names = fc.oneof(
  fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,8}$/),
  fc.constantFrom('value', '$ref', 'type', 'properties', 'toString', 'constructor', 'ö', 'a b'),
)

const { pair } = fc.letrec<{ pair: Pair }>((tie) => ({
  pair: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.string({ unit: 'grapheme' }).map((value): Pair => ({ schema: z.string(), value })),
    fc.integer().map((value): Pair => ({ schema: z.number().int(), value })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value): Pair => ({ schema: z.number(), value })),
    fc.boolean().map((value): Pair => ({ schema: z.boolean(), value })),
    fc.constant<Pair>({ schema: z.null(), value: null }),
    fc
      .uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 })
      .chain((options) =>
        fc
          .constantFrom(...options)
          .map((value): Pair => ({ schema: z.enum(options as [string, ...string[]]), value })),
      ),
    fc.array(tie('pair'), { maxLength: 3 }).map(
      (items): Pair => ({
        schema: z.array(z.union([z.never(), ...items.map(({ schema }) => schema)])),
        value: items.map(({ value }) => value),
      }),
    ),
    fc.dictionary(names, tie('pair'), { maxKeys: 4 }).map((members): Pair => {
      const entries = Object.entries(members)
      return {
        schema: z.object(Object.fromEntries(entries.map(([name, { schema }]) => [name, schema]))),
        value: Object.fromEntries(entries.map(([name, { value }]) => [name, value])),
      }
    }),
  ),
}))

test('whatever the schema, a value that fits it comes back as it was, by tool and by format', async () => {
  let turn: Turn = ''
  const bench = await startBench(() => turn)
  await fc.assert(
    fc.asyncProperty(
      pair,
      fc.constantFrom('tool' as const, 'format' as const),
      async ({ schema, value }, by) => {
        const wrapped = (schema as z.ZodObject).shape ? value : { value }
        turn = by === 'tool' ? [{ name: 'answer', input: wrapped }] : JSON.stringify(wrapped)
        const answer = await bench.run((model) => structured(model, 'Go.', schema, { by }))
        expect(answer.value).toEqual(JSON.parse(JSON.stringify(value)))
        expect(answer.rounds).toBe(1)
      },
    ),
    { numRuns: 150 },
  )
})

test('whatever the answer, it fits, is repaired or is refused with paths that the schema knows', async () => {
  let answers: readonly unknown[] = []
  let round = 0
  const bench = await startBench(() => [{ name: 'answer', input: answers[round++] }])
  const schema = z.strictObject({
    name: z.string().max(5),
    items: z.array(z.object({ price: z.number() })),
    more: z.record(z.string(), z.boolean()),
  })
  const near = fc.record(
    {
      name: fc.oneof(fc.string(), fc.anything({ withNullPrototype: false })),
      items: fc.array(fc.record({ price: fc.oneof(fc.integer(), fc.string()) }), { maxLength: 3 }),
      more: fc.dictionary(fc.string(), fc.oneof(fc.boolean(), fc.integer())),
      other: fc.integer(),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(near, near, async (first, second) => {
      // As JSON has it; what has none is not an answer.
      answers = [first, second].map((answer) => JSON.parse(JSON.stringify(answer) ?? '{}') as unknown)
      round = 0
      const fits = answers.map((answer) => schema.safeParse(answer).success)
      const result = await bench
        .run((model) => structured(model, 'Go.', schema))
        .catch((error: unknown) => error)
      expect(round).toBe(fits[0] ? 1 : 2)
      if (fits[0] || fits[1]) {
        expect(result).toMatchObject({ value: answers[round - 1], rounds: round })
      } else {
        expect(result).toBeInstanceOf(InvalidAnswerError)
        for (const { path, kind } of (result as InvalidAnswerError).issues) {
          expect(path).toMatch(
            /^(?:|name|items|items\.\d+|items\.\d+\.price|more|more\.(?:\*|name|items|price|more))$/,
          )
          expect(kind).toMatch(/^[a-z_]+$/)
        }
      }
    }),
    { numRuns: 150 },
  )
})

test('documents and texts of any kind arrive as they were given', async () => {
  const bench = await startBench(() => [{ name: 'answer', input: { ok: true } }])
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((some) => some.trim() !== '')
  const block = fc.oneof(
    text.map((given) => ({ text: given })),
    text.map((given) => ({
      document: { format: 'txt' as const, name: 'file', source: { bytes: Buffer.from(given) } },
    })),
    fc
      .uint8Array({ minLength: 1 })
      .map((bytes) => ({ image: { format: 'png' as const, source: { bytes } } })),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 5 }), async (content) => {
      const messages = [{ role: 'user' as const, content }]
      await bench.run((model) => structured(model, { messages }, z.object({ ok: z.boolean() })))
      const given = content.flatMap((one) =>
        'text' in one ? [one.text] : 'document' in one ? [String(one.document.source.bytes)] : [],
      )
      expect(bench.asked.at(-1)?.turns).toEqual([{ role: 'user', text: given.join('\n') }])
    }),
    { numRuns: 100 },
  )
})
