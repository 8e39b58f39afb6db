/** Reading JSON bodies: what is not as it should be becomes the service's exception, with the path and no content. */
import type { Json, JsonObject } from './request.ts'
import { invalid } from './service-error.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The body as a JSON object. @throws ServiceError if it is none, or no UTF-8 */
export function parseJson(bytes: Uint8Array): JsonObject {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes))
    if (value && typeof value === 'object' && !Array.isArray(value)) return value as JsonObject
  } catch {
    // Told below: the parser's own message would quote the prompt.
  }
  throw invalid(
    'Malformed input request: the body is not a JSON object in UTF-8, please reformat your input and try again.',
  )
}

/** The value as an object. @throws ServiceError naming the path */
export function objectAt(value: Json | undefined, path: string): JsonObject {
  if (value && typeof value === 'object' && !Array.isArray(value)) return value
  throw invalid(`The value at ${path} must be an object.`)
}

/** The value as a list. @throws ServiceError naming the path */
export function listAt(value: Json | undefined, path: string): Json[] {
  if (Array.isArray(value)) return value
  throw invalid(`The value at ${path} must be a list.`)
}

/** The value as a string. @throws ServiceError naming the path */
export function stringAt(value: Json | undefined, path: string): string {
  if (typeof value === 'string') return value
  throw invalid(`The value at ${path} must be a string.`)
}

/** The value as a whole number of at least 1, if it is there. @throws ServiceError naming the path */
export function countAt(value: Json | undefined, path: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (Number.isInteger(value) && (value as number) >= 1) return value as number
  throw invalid(`The value at ${path} must be a whole number of at least 1.`)
}
