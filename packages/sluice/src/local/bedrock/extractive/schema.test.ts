import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../request.ts'
import { fillSchema } from './schema.ts'

describe('schemas', () => {
  const text =
    'Dear team, I am Ada Lovelace (ada@example.org). I paid 49.90 EUR on 2026-03-04 for order A-1234 and want a refund. It is not broken. This is of high urgency.'
  const string = { type: 'string' }

  test.each<[string, JsonObject, Json]>([
    ['customerName', string, 'Ada Lovelace'],
    ['contact', { type: 'string', format: 'email' }, 'ada@example.org'],
    ['order_id', string, 'A-1234'],
    ['date', { type: 'string', format: 'date' }, '2026-03-04'],
    ['currency', string, 'EUR'],
    ['paid', { type: 'number', description: 'amount paid' }, 49.9],
    ['paidWhole', { type: 'integer', description: 'amount paid' }, 49],
    ['urgency', { enum: ['low', 'medium', 'high'] }, 'high'],
    ['refund', { type: 'boolean' }, true],
    ['is_broken', { type: 'boolean' }, false],
    ['kind', { const: 'ticket' }, 'ticket'],
    ['emails', { type: 'array', items: string }, ['ada@example.org']],
    ['topics', { type: 'array', items: { enum: ['refund', 'delivery'] } }, ['refund']],
    ['zebra', { type: ['string', 'null'] }, null],
    ['zebra', { anyOf: [{ type: 'null' }, { type: 'boolean' }] }, null],
    ['customer', { $ref: '#/$defs/customer' }, { email: 'ada@example.org' }],
    ['score', { type: 'integer', minimum: 50, maximum: 60 }, 50],
    ['code', { type: 'string', pattern: '^[A-Z]-\\d+$' }, 'A-1234'],
    ['summary', { type: 'string', maxLength: 9 }, 'I paid 49'],
  ])('%s %o is %o', (name, property, expected) => {
    const customer = {
      type: 'object',
      properties: { email: string, zebra: { type: 'number' } },
      required: ['email'],
    }
    const schema = { type: 'object', properties: { [name]: property }, required: [name], $defs: { customer } }
    const filled = fillSchema(schema, text) as JsonObject
    const value = filled[name]
    // A number that is optional is filled as soon as there is one.
    if (name === 'customer') delete (value as JsonObject).zebra
    expect(value).toEqual(expected)
  })

  test('named values are taken by their name', () => {
    const schema = {
      type: 'object',
      properties: { city: string, product: string },
      required: ['city', 'product'],
    }
    expect(fillSchema(schema, 'City: Bern\nProduct = Blue lamp, second shelf')).toEqual({
      city: 'Bern',
      product: 'Blue lamp',
    })
  })

  test('optional fields of which the text tells nothing are left out', () => {
    expect(
      fillSchema({ type: 'object', properties: { age: { type: 'number' } } }, 'No figures here.'),
    ).toEqual({})
  })

  test('a schema that refers to itself comes to an end', () => {
    const schema = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }
    expect(fillSchema(schema, 'x')).toBeTypeOf('object')
    expect(fillSchema({ $ref: '#' }, 'x')).toBeDefined()
  })

  const leaf = fc.oneof(
    fc.record({
      type: fc.constant('string'),
      minLength: fc.nat(3),
      maxLength: fc.integer({ min: 3, max: 30 }),
    }),
    fc.record({
      type: fc.constantFrom('integer', 'number'),
      minimum: fc.integer({ min: -50, max: 0 }),
      maximum: fc.integer({ min: 1, max: 99 }),
    }),
    fc.record({ type: fc.constant('boolean') }),
    fc.record({ enum: fc.uniqueArray(fc.constantFrom('red', 'high', 'refund', 'order'), { minLength: 1 }) }),
  )
  const schemas: fc.Arbitrary<JsonObject> = fc.letrec<{ schema: JsonObject }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.record({
        type: fc.constant('array'),
        items: tie('schema'),
        minItems: fc.nat(2),
        maxItems: fc.integer({ min: 2, max: 4 }),
      }),
      fc
        .dictionary(fc.constantFrom('name', 'orderId', 'total_amount', 'tags', 'summary'), tie('schema'))
        .map((properties) => ({
          type: 'object',
          properties,
          required: Object.keys(properties),
        })),
    ) as fc.Arbitrary<JsonObject>,
  })).schema

  test('what is filled satisfies the schema, for any text', () => {
    fc.assert(
      fc.property(schemas, fc.oneof(fc.constant(text), fc.string()), (schema, anyText) => {
        expect(violation(schema, fillSchema(schema, anyText))).toBeUndefined()
      }),
    )
  })
})

/** A little validator of just what the schemas above use. */
function violation(schema: JsonObject, value: Json | undefined): string | undefined {
  const {
    minLength = 0,
    maxLength = 1e9,
    minimum = -1e99,
    maximum = 1e99,
    minItems = 0,
    maxItems = 1e9,
  } = schema as Record<string, number>
  if (schema.enum) return (schema.enum as Json[]).includes(value ?? null) ? undefined : 'enum'
  if (schema.type === 'object') {
    const object = value as JsonObject
    const properties = schema.properties as Record<string, JsonObject>
    return Object.keys(properties)
      .map((key) => violation(properties[key]!, object[key]))
      .find(Boolean)
  }
  if (schema.type === 'array') {
    if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) return 'items'
    return value.map((item) => violation(schema.items as JsonObject, item)).find(Boolean)
  }
  if (schema.type === 'integer' && !Number.isInteger(value)) return 'integer'
  if (typeof value === 'number') return value >= minimum && value <= maximum ? undefined : 'range'
  if (typeof value === 'string')
    return value.length >= minLength && value.length <= maxLength ? undefined : 'length'
  return schema.type === typeof value ? undefined : `type ${typeof value}`
}
