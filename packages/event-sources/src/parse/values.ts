/** What every parser of events needs: values whose shape nobody has promised. */

import { InvalidEventError } from '@sluice/core'

/** An object as it came from JSON. */
export type Fields = Readonly<Record<string, unknown>>

/** The value as an object to look into; what is none has no fields. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

/** A text with something in it, else undefined. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A count or a time, which AWS writes as a text in some events and as a number in others. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return Number.isFinite(number) ? (number as number) : undefined
}

/**
 * The list `Records` of an event.
 *
 * @throws InvalidEventError naming the kind when there is none
 */
export function recordsOf(event: unknown, kind: string): readonly Fields[] {
  const { Records } = fieldsOf(event)
  if (!Array.isArray(Records)) throw new InvalidEventError(`The event is none of ${kind}: it has no records.`)
  return Records.map(fieldsOf)
}

/**
 * JSON without the keys that change a prototype when an object is merged into another one.
 *
 * @throws InvalidEventError that does not quote the text
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text, withoutPrototypes)
  } catch (cause) {
    throw new InvalidEventError(`${what} is no JSON that is accepted here.`, { cause })
  }
}

function withoutPrototypes(key: string, value: unknown): unknown {
  const pollutes = key === '__proto__' || (key === 'constructor' && Object.hasOwn(Object(value), 'prototype'))
  if (pollutes) throw new SyntaxError('a forbidden key')
  return value
}
