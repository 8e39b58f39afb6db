/** Schemas of any library that follows Standard Schema, for what comes in. */

import { InvalidEventError } from './errors.ts'

/** Any schema that validates by Standard Schema: zod, arktype, valibot and others. */
export interface StandardSchema<Value = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly validate: (value: unknown) => StandardResult<Value> | Promise<StandardResult<Value>>
    readonly types?: { readonly input: unknown; readonly output: Value } | undefined
  }
}

export type StandardResult<Value> =
  | { readonly value: Value; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * What a schema makes of a value.
 *
 * @throws InvalidEventError that tells where the value does not fit, and nothing of the value itself
 */
export async function readWith<Value>(schema: StandardSchema<Value>, value: unknown): Promise<Value> {
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  const places = result.issues.map(placeOf)
  const where = [...new Set(places)].slice(0, 5).join(', ') || 'the whole'
  throw new InvalidEventError(`It does not fit its schema at: ${where}.`, {
    statusCode: 422,
    cause: result.issues,
  })
}

/** A name that is no plain word may be a part of the data, as the keys of a dictionary are. */
function placeOf({ path = [] }: StandardIssue): string {
  const parts = path
    .map((part) => String(typeof part === 'object' ? part.key : part))
    .map((key) => (/^\w{1,40}$/.test(key) ? key : '*'))
  return parts.join('.') || 'the whole'
}
