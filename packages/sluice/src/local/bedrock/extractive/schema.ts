/** Fills a JSON schema from a text. */
import type { Json, JsonObject } from '../request.ts'
import { bestLabel, rankLabels } from './labels.ts'
import { findBoolean, findNumber, findString, keyTerms, numbersOf } from './values.ts'

/**
 * A value that satisfies the schema: what the text tells where it does, and the plainest value elsewhere.
 * Required fields are always there, optional ones when the text tells something of them.
 */
export function fillSchema(schema: JsonObject, text: string): Json {
  const fill: Fill = { root: schema, text, depth: 0 }
  return find(schema, '', fill) ?? plain(schema, '', fill)
}

interface Fill {
  root: JsonObject
  text: string
  depth: number
}

const DEEPEST = 12

/** What the text tells of a field; nothing if it tells nothing. */
function find(given: Json | undefined, name: string, fill: Fill): Json | undefined {
  const schema = resolve(given, fill.root)
  if (fill.depth > DEEPEST) return undefined
  if (schema.const !== undefined) return schema.const
  const hint = `${name} ${schema.title ?? ''} ${schema.description ?? ''}`
  const labels = listOr(schema.enum)
  if (labels.length > 0) {
    const { label, score } = bestLabel(labels.map(String), fill.text)
    return score > 0 ? labels.find((value) => String(value) === label) : undefined
  }
  const options = listOr(schema.anyOf ?? schema.oneOf)
  if (options.length > 0) {
    for (const option of options) {
      const value = find(option, name, fill)
      if (value !== undefined && value !== null) return value
    }
    return undefined
  }
  switch (typeOf(schema)) {
    case 'object':
      return findObject(schema, fill)
    case 'array':
      return findList(schema, name, fill)
    case 'string': {
      const found = findString(hint, name, String(schema.format ?? ''), fill.text)
      return found === undefined ? undefined : fit(found, schema, fill.text)
    }
    case 'integer':
    case 'number': {
      const found = findNumber(hint, fill.text)
      return found === undefined ? undefined : clip(found, schema)
    }
    case 'boolean':
      return findBoolean(hint, fill.text)
    default:
      return undefined
  }
}

function findObject(schema: JsonObject, fill: Fill): JsonObject | undefined {
  const required = new Set(listOr(schema.required))
  const value: JsonObject = {}
  let told = fill.depth === 0
  for (const [name, property] of Object.entries(objectOr(schema.properties))) {
    const inner = { ...fill, depth: fill.depth + 1 }
    const found = find(property, name, inner)
    if (found !== undefined) {
      told = true
      value[name] = found
    } else if (required.has(name)) value[name] = plain(property, name, inner)
  }
  return told ? value : undefined
}

function findList(schema: JsonObject, name: string, fill: Fill): Json[] | undefined {
  const items = resolve(schema.items, fill.root)
  const most = Number(schema.maxItems ?? 5)
  const least = Number(schema.minItems ?? 0)
  let found: Json[]
  if (listOr(items.enum).length > 0) {
    const ranked = rankLabels(listOr(items.enum).map(String), fill.text).filter(({ score }) => score > 0)
    found = ranked.sort((a, b) => b.score - a.score).map(({ label }) => label)
  } else if (typeOf(items) === 'string')
    found = keyTerms(name, fill.text).map((term) => fit(term, items, fill.text))
  else if (/^(?:number|integer)$/.test(typeOf(items)))
    found = numbersOf(fill.text).map((value) => clip(value, items))
  else {
    const one = find(items, name, { ...fill, depth: fill.depth + 1 })
    found = one === undefined ? [] : [one]
  }
  found = found.slice(0, most)
  while (found.length > 0 && found.length < least) found.push(plain(items, name, fill))
  return found.length > 0 ? found : undefined
}

/** The plainest value that a field can have. */
function plain(given: Json | undefined, name: string, fill: Fill): Json {
  const schema = resolve(given, fill.root)
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (allowsNull(schema) || fill.depth > DEEPEST) return null
  const labels = listOr(schema.enum)
  if (labels.length > 0) {
    const { label } = bestLabel(labels.map(String), '')
    return labels.find((value) => String(value) === label) ?? null
  }
  const options = listOr(schema.anyOf ?? schema.oneOf)
  if (options.length > 0) return plain(options[0], name, fill)
  const deeper = { ...fill, depth: fill.depth + 1 }
  switch (typeOf(schema)) {
    case 'object': {
      const properties = objectOr(schema.properties)
      const required = listOr(schema.required).map(String)
      return Object.fromEntries(required.map((key) => [key, plain(properties[key], key, deeper)]))
    }
    case 'array':
      return Array.from({ length: Number(schema.minItems ?? 0) }, () => plain(schema.items, name, deeper))
    case 'integer':
    case 'number':
      return clip(0, schema)
    case 'boolean':
      return false
    default:
      return fit(PLAIN_FORMATS[String(schema.format)] ?? '', schema, fill.text)
  }
}

const PLAIN_FORMATS: Record<string, string> = {
  date: '1970-01-01',
  'date-time': '1970-01-01T00:00:00Z',
  time: '00:00:00Z',
  email: 'unknown@example.com',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

/** Follows references and joins `allOf`. */
function resolve(schema: Json | undefined, root: JsonObject): JsonObject {
  let found = objectOr(schema)
  for (let step = 0; typeof found.$ref === 'string' && step < DEEPEST; step++) {
    const path = found.$ref.replace(/^#\/?/, '').split('/').filter(Boolean)
    found = path.reduce((at, key) => objectOr(at[key]), root)
  }
  if (!Array.isArray(found.allOf)) return found
  const parts = found.allOf.map((part) => resolve(part, root))
  const properties = Object.assign(
    {},
    ...parts.map((part) => part.properties),
    found.properties,
  ) as JsonObject
  const required = [...parts, found].flatMap((part) => listOr(part.required))
  return Object.assign({}, ...parts, found, { properties, required, allOf: undefined }) as JsonObject
}

function typeOf({ type, properties, items }: JsonObject): string {
  const first = Array.isArray(type) ? type.find((one) => one !== 'null') : type
  return String(first ?? (properties ? 'object' : items ? 'array' : 'string'))
}

function allowsNull({ type, anyOf, oneOf }: JsonObject): boolean {
  if (type === 'null' || (Array.isArray(type) && type.includes('null'))) return true
  return listOr(anyOf ?? oneOf).some((option) => objectOr(option).type === 'null')
}

function clip(value: number, schema: JsonObject): number {
  const whole = typeOf(schema) === 'integer'
  const step = whole ? 1 : 1e-6
  const low = Math.max(
    Number(schema.minimum ?? Number.NEGATIVE_INFINITY),
    Number(schema.exclusiveMinimum ?? Number.NEGATIVE_INFINITY) +
      (schema.exclusiveMinimum === undefined ? 0 : step),
  )
  const high = Math.min(
    Number(schema.maximum ?? Number.POSITIVE_INFINITY),
    Number(schema.exclusiveMaximum ?? Number.POSITIVE_INFINITY) -
      (schema.exclusiveMaximum === undefined ? 0 : step),
  )
  const inside = Math.min(high, Math.max(low, value))
  return whole ? (inside === low ? Math.ceil(inside) : Math.floor(inside)) : inside
}

function fit(value: string, { minLength = 0, maxLength, pattern }: JsonObject, text: string): string {
  if (typeof pattern === 'string') {
    try {
      const regular = new RegExp(pattern, 'u')
      if (regular.test(value)) return value
      // An anchored pattern is looked for word by word, another one anywhere.
      return text.split(/\s+/).find((word) => regular.test(word)) ?? regular.exec(text)?.[0] ?? value
    } catch {
      return value
    }
  }
  const most = Number(maxLength ?? Number.POSITIVE_INFINITY)
  return (value.length > most ? value.slice(0, most) : value).padEnd(Number(minLength), '-')
}

const objectOr = (value: Json | undefined): JsonObject =>
  value && typeof value === 'object' && !Array.isArray(value) ? value : {}
const listOr = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
