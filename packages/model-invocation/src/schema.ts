/** Schemas of answers and of the inputs of tools: JSON Schema for the model, a validator for what comes back. */

import type { AnswerIssue, StandardIssue, StandardResult, StandardSchema } from '@sluice/core'

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>

interface WithJsonSchema {
  readonly '~standard': {
    readonly jsonSchema: { readonly input: (options: { readonly target: string }) => object }
  }
}

/**
 * What a value must be, in one of three forms:
 * - a schema that also tells its JSON Schema (Standard JSON Schema: zod 4.2, arktype 2.1.28, valibot with
 *   `toStandardJsonSchema`);
 * - any Standard Schema with the JSON Schema beside it: `{ schema, jsonSchema }`;
 * - only `{ jsonSchema }`, with the type written by hand: nothing is validated, the model is trusted.
 */
export type ValueSchema<Value = unknown> =
  | (StandardSchema<Value> & WithJsonSchema)
  | { readonly schema?: StandardSchema<Value> | undefined; readonly jsonSchema: JsonSchema }

/** Why a value does not fit: for errors and logs, and in the validator's own words, which quote the value. */
export interface Misfit {
  readonly issues: readonly AnswerIssue[]
  readonly originals: readonly unknown[]
}

/** @internal A schema made ready for models, which want an object at its root. */
export interface ReadySchema<Value> {
  readonly json: JsonSchema
  /** Validates what the model gave. */
  read(given: unknown): Promise<{ readonly value: Value; readonly issues?: undefined } | Misfit>
}

/** @internal That of a value as a whole. */
export function misfitOf(kind: string, original?: unknown): Misfit {
  return { issues: [{ path: '', kind }], originals: original === undefined ? [] : [original] }
}

/** @internal What is wrong, as the model is told. */
export function explain({ issues, originals }: Misfit): string {
  return issues
    .map(({ path, kind }, index) => {
      const { message = kind } = (originals[index] ?? {}) as Partial<StandardIssue>
      return path === '' ? message : `${path}: ${message}`
    })
    .join('\n')
}

const ready = new WeakMap<object, ReadySchema<unknown>>()

/**
 * @internal
 * @throws TypeError naming `option` when there is no JSON Schema in it
 */
export function readySchema<Value>(option: string, schema: ValueSchema<Value>): ReadySchema<Value> {
  let found = ready.get(schema) as ReadySchema<Value> | undefined
  if (!found) {
    found = prepare(option, schema)
    ready.set(schema, found)
  }
  return found
}

function prepare<Value>(option: string, schema: ValueSchema<Value>): ReadySchema<Value> {
  // Some models take nothing but what they know at the root.
  const { $schema, ...own } = jsonSchemaOf(option, schema)
  const validator = 'jsonSchema' in schema ? schema.schema : schema
  const wrapped = own.type !== 'object'
  const names = propertyNames(own)

  return {
    json: wrapped ? wrap(own) : own,
    async read(given) {
      const value = plain(wrapped ? (given as { readonly value?: unknown } | null | undefined)?.value : given)
      if (value === undefined) return misfitOf('missing')
      if (!validator) return { value: value as Value }
      let result: StandardResult<Value>
      try {
        result = await validator['~standard'].validate(value)
      } catch (error) {
        return misfitOf('validator_failed', error)
      }
      if (!result.issues) return result
      return {
        issues: result.issues.map((issue) => ({ path: pathOf(issue, names), kind: kindOf(issue) })),
        originals: result.issues,
      }
    },
  }
}

/** JSON as the SDK reads it, but with numbers that are numbers: where a double loses digits it has values of its own. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  const { string, type } = value as { readonly string?: unknown; readonly type?: unknown }
  const isNumber = type === 'bigDecimal' && Object.getPrototypeOf(value) !== Object.prototype
  if (isNumber) return Number(string)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

function jsonSchemaOf<Value>(option: string, schema: ValueSchema<Value>): JsonSchema {
  if ('jsonSchema' in schema && typeof schema.jsonSchema === 'object') return schema.jsonSchema
  const converter = (schema as Partial<WithJsonSchema>)?.['~standard']?.jsonSchema
  if (!converter) {
    throw new TypeError(
      `${option}: the schema does not tell its JSON Schema. Give { schema, jsonSchema }, or one that does (zod 4, arktype).`,
    )
  }
  try {
    return converter.input({ target: 'draft-2020-12' }) as JsonSchema
  } catch (error) {
    throw new TypeError(`${option}: the schema has no JSON Schema: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** The input of a tool is an object; any other value becomes a member of one. */
function wrap({ $defs, ...value }: JsonSchema): JsonSchema {
  const moved = JSON.parse(JSON.stringify(value), (key, to: unknown) =>
    key === '$ref' && to === '#' ? '#/properties/value' : to,
  ) as JsonSchema
  return {
    type: 'object',
    properties: { value: moved },
    required: ['value'],
    ...($defs !== undefined && { $defs }),
  }
}

/** Names that the schema declares; all others come from the model, and may be a part of its answer. */
function propertyNames(schema: unknown, names: Set<string> = new Set()): Set<string> {
  if (typeof schema === 'object' && schema !== null) {
    const { properties } = schema as { readonly properties?: unknown }
    if (typeof properties === 'object' && properties !== null) {
      for (const name of Object.keys(properties)) names.add(name)
    }
    for (const inner of Object.values(schema)) propertyNames(inner, names)
  }
  return names
}

function pathOf({ path = [] }: StandardIssue, names: ReadonlySet<string>): string {
  return path
    .map((part) => (typeof part === 'object' ? part.key : part))
    .map((key) => (typeof key === 'number' || names.has(String(key)) ? String(key) : '*'))
    .join('.')
}

/** The validator's own name for it, where it is a word and cannot be a part of the answer. */
function kindOf(issue: StandardIssue): string {
  const { code, type } = issue as { readonly code?: unknown; readonly type?: unknown }
  const kind = code ?? type
  return typeof kind === 'string' && /^[a-z][a-z_-]{0,39}$/i.test(kind) ? kind : 'invalid'
}
