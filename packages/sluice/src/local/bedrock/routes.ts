/** Which operation a path asks for, and in which dialect its body is written. */
import { converse } from './converse.ts'
import type { Dialect } from './dialect.ts'
import { embeddingParserOf } from './embeddings.ts'
import type { Exchange } from './exchange.ts'
import { familyOf } from './families.ts'
import { invoke } from './invoke.ts'
import { objectAt, parseJson, stringAt } from './json.ts'
import type { Operation } from './request.ts'
import { invalid } from './service-error.ts'

/** Where a request goes. */
export interface Route {
  operation: Operation
  /** The id or ARN in the path, decoded. */
  modelId: string
}

const OPERATIONS: ReadonlySet<string> = new Set<Operation>([
  'converse',
  'converse-stream',
  'invoke',
  'invoke-with-response-stream',
  'count-tokens',
])

/** Reads the path; nothing if there is no such operation. */
export function routeOf({ method, path }: Pick<Exchange, 'method' | 'path'>): Route | undefined {
  // An ARN that was not encoded holds slashes of its own, so the operation is what follows the last one.
  const end = path.lastIndexOf('/')
  const operation = path.slice(end + 1)
  if (method !== 'POST' || !path.startsWith('/model/') || end <= 7 || !OPERATIONS.has(operation))
    return undefined
  try {
    return { operation: operation as Operation, modelId: decodeURIComponent(path.slice(7, end)) }
  } catch {
    return undefined
  }
}

/** The dialect of an operation's bodies. */
export function dialectOf(operation: Operation, baseModel: string): Dialect {
  if (operation === 'count-tokens') return { ...converse, parse: parseCountTokens(baseModel) }
  const parse = embeddingParserOf(baseModel)
  if (!parse) return operation.startsWith('converse') ? converse : invoke(familyOf(baseModel))
  if (operation === 'invoke') return { ...converse, parse }
  throw invalid(
    operation === 'invoke-with-response-stream'
      ? 'The model is unsupported for streaming.'
      : 'The provided model does not support the Converse API.',
  )
}

/** CountTokens wraps a request of either kind. */
const parseCountTokens =
  (baseModel: string): Dialect['parse'] =>
  (modelId, { input }) => {
    const { converse: talk, invokeModel } = objectAt(input, 'input')
    if (talk) return converse.parse(modelId, objectAt(talk, 'input.converse'))
    const { body } = objectAt(invokeModel, 'input.invokeModel')
    const bytes = Buffer.from(stringAt(body, 'input.invokeModel.body'), 'base64')
    return familyOf(baseModel).parse(modelId, parseJson(bytes))
  }
