/** What a record holds, by the options that all sources share. */

import { InvalidEventError, readWith, SluiceError, type StandardSchema } from '@sluice/core'
import { parseJson } from './parse/values.ts'

/** Makes of a text what the options say: what `parse` gives, what the schema gives, or the text. */
export function textReader<Value, Args extends readonly unknown[]>(
  name: string,
  what: string,
  parse: ((text: string, ...args: Args) => Value | Promise<Value>) | undefined,
  schema: StandardSchema<Value> | undefined,
): (text: string, ...args: Args) => Promise<Value> {
  checkReading(name, parse, schema)
  return async function read(text, ...args) {
    const value = await guarded(what, () => {
      if (parse) return parse(text, ...args)
      return schema ? parseJson(text, what) : text
    })
    return schema ? readWith(schema, value) : (value as Value)
  }
}

/** What is thrown by code that knows nothing of Sluice may quote what it could not read. */
export async function guarded<Value>(what: string, read: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await read()
  } catch (cause) {
    if (SluiceError.is(cause)) throw cause
    throw new InvalidEventError(`${what} could not be parsed.`, { statusCode: 422, cause })
  }
}

/** @throws TypeError naming the option that is wrong */
export function checkReading(name: string, parse: unknown, schema: unknown): void {
  if (parse !== undefined && typeof parse !== 'function') {
    throw new TypeError(`${name}: parse is of type ${typeof parse}. Give a function.`)
  }
  const { '~standard': standard } = (schema ?? {}) as Partial<StandardSchema>
  if (schema !== undefined && typeof standard?.validate !== 'function') {
    throw new TypeError(
      `${name}: schema is no Standard Schema. Give one of zod, valibot, arktype or the like.`,
    )
  }
}
