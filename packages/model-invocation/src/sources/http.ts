/** Requests of a function URL, an API Gateway or a load balancer. */

import { InvalidEventError, outcomesById, type Source } from '@sluice/core'
import type { ALBEvent, APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda'
import { badRequest, toHttpError } from './http-error.ts'

/** A function URL and an HTTP API; a REST API; an Application Load Balancer. */
export type HttpEvent = APIGatewayProxyEventV2 | APIGatewayProxyEvent | ALBEvent

export interface HttpResponse {
  readonly statusCode: number
  readonly headers?: Readonly<Record<string, string>>
  /** In place of `headers`, for a load balancer that is set so. */
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly body: string
}

export interface HttpSourceOptions<Value> {
  /**
   * What a request asks for, from its body: parsed if it is JSON (or has no content type), text otherwise, `undefined`
   * if there is none. When it throws, the answer is 422, or what the error's own `statusCode` says.
   *
   * @default the body
   */
  readonly parse?: (body: unknown, event: HttpEvent) => Value | Promise<Value>
}

/**
 * HTTP requests: a text is answered as `text/plain`, every other value as JSON. What fails is thrown, with the status, the
 * headers and a message for the caller: put `@middy/http-error-handler` behind it. A body that
 * `@middy/http-json-body-parser` has parsed is taken as it is.
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { httpSource, modelStep, retry } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * export const handler = middy(
 *   modelStep({
 *     model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
 *     source: httpSource({ parse: (body) => body as { readonly text: string } }),
 *     prompt: ({ text }) => `Summarise in one sentence:\n\n${text}`,
 *   }),
 * ).use(retry())
 * ```
 */
export function httpSource<Value = unknown>({
  parse = (body) => body as Value,
}: HttpSourceOptions<Value> = {}): Source<HttpEvent, Value, HttpResponse> {
  if (typeof parse !== 'function') {
    throw new TypeError(`httpSource: parse is of type ${typeof parse}. Give a function of the body.`)
  }

  async function read(event: HttpEvent): Promise<Value> {
    const body = bodyOf(event)
    try {
      return await parse(body, event)
    } catch (error) {
      throw badRequest('The body of the request is not what is expected here.', 422, error)
    }
  }

  return {
    records(event) {
      if (!isRequest(event)) {
        throw new InvalidEventError('The event is no HTTP request. Is the function behind a URL?')
      }
      return [{ id, read: () => read(event) }]
    },
    respond(outcomes, event) {
      const outcome = outcomesById(outcomes)(id)
      if (outcome.status !== 'fulfilled') throw toHttpError(outcome.reason)
      const { value } = outcome
      const isText = typeof value === 'string'
      const type = isText ? 'text/plain; charset=utf-8' : 'application/json'
      const several = 'multiValueHeaders' in event && !event.headers
      return {
        statusCode: 200,
        ...(several
          ? { multiValueHeaders: { 'Content-Type': [type] } }
          : { headers: { 'Content-Type': type } }),
        body: isText ? value : (JSON.stringify(value) ?? ''),
      }
    },
  }
}

const id = 'request'

function isRequest(event: unknown): event is HttpEvent {
  return typeof event === 'object' && event !== null && ('body' in event || 'requestContext' in event)
}

function bodyOf(event: HttpEvent): unknown {
  const { body, isBase64Encoded, headers, multiValueHeaders } = event as ALBEvent
  if (typeof body !== 'string') return body ?? undefined
  const text = isBase64Encoded ? Buffer.from(body, 'base64').toString() : body
  const type = contentType(headers ?? multiValueHeaders)
  if (type !== '' && !/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) return text
  try {
    // A merge of this key would change the prototype of what it is merged into.
    return JSON.parse(text, (key, value) => (key === '__proto__' ? undefined : value))
  } catch (error) {
    throw badRequest('The body of the request is no JSON.', 400, error)
  }
}

function contentType(headers: object | undefined): string {
  for (const [name, value] of Object.entries(headers ?? {})) {
    const [first] = [value].flat()
    if (name.toLowerCase() === 'content-type' && typeof first === 'string') return first
  }
  return ''
}
