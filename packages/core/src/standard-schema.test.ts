import { expect, test } from 'vitest'
import { InvalidEventError } from './errors.ts'
import { readWith, type StandardIssue, type StandardResult, type StandardSchema } from './standard-schema.ts'

const schemaOf = <Value>(validate: (value: unknown) => StandardResult<Value>): StandardSchema<Value> => ({
  '~standard': { version: 1, validate },
})

const refusing = (...issues: StandardIssue[]) => schemaOf<never>(() => ({ issues }))

test('a value is what the schema makes of it', async () => {
  expect(
    await readWith(
      schemaOf((value) => ({ value: Number(value) })),
      '5',
    ),
  ).toBe(5)
})

test('what does not fit is told by its places, and never by what it says', async () => {
  const schema = refusing(
    { message: 'secret', path: ['items', 0, { key: 'price' }] },
    { message: 'secret', path: ['items', 0, 'price'] },
    { message: 'secret', path: ['by', 'a.b@secret.example'] },
  )
  const error = await readWith(schema, {}).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(InvalidEventError)
  expect(error).toMatchObject({
    message: 'It does not fit its schema at: items.0.price, by.*.',
    statusCode: 422,
    code: 'invalid_event',
  })
  expect((error as Error).stack).not.toContain('secret')
})

test('a value that does not fit as a whole, and one that does not in many places', async () => {
  for (const schema of [refusing(), refusing({ message: 'x' }), refusing({ message: 'x', path: [] })]) {
    await expect(readWith(schema, 5)).rejects.toThrow(/at: the whole\.$/)
  }
  const many = refusing(...Array.from({ length: 9 }, (_, at) => ({ message: 'x', path: [at] })))
  await expect(readWith(many, 5)).rejects.toThrow(/at: 0, 1, 2, 3, 4\.$/)
})
