/** Requests of a function URL, an API Gateway or a load balancer. */

import { InvalidEventError, outcomesById, readWith, SluiceError, type StandardSchema } from '@sluice/core'
import type { ALBEvent, APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda'
import { type AnsweringSource, type ErrorRequest, logFailure, withHandler } from './as-middleware.ts'
import { type HttpRequest, httpRequest, type RawRequest } from './parse/http-event.ts'
import { parseJson } from './parse/values.ts'
import { PayloadTooLargeError } from './payload-too-large-error.ts'
import { problemOf, retryAfterOf } from './problem.ts'
import { checkReading, guarded } from './read-value.ts'

/** A function URL and an HTTP API; a REST API; an Application Load Balancer. */
export type HttpEvent = APIGatewayProxyEventV2 | APIGatewayProxyEvent | ALBEvent

export interface HttpResponse {
  readonly statusCode: number
  readonly headers?: Readonly<Record<string, string>>
  /** In place of `headers`, for a load balancer that is set so. */
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly body: string
  readonly isBase64Encoded?: boolean
}

export interface HttpOptions<Body> {
  /**
   * What a request asks for, of its body: parsed if it is JSON (or has no content type), text otherwise, `undefined` if
   * there is none. When it throws, the answer is 422, or what the error's own `statusCode` says.
   *
   * @default the body
   */
  readonly parse?: (body: unknown, request: HttpRequest) => Body | Promise<Body>
  /** What the body must be. Otherwise the answer is 422 and tells where it is not. */
  readonly schema?: StandardSchema<Body>
  /**
   * Whose request it is, for quota shares and cost: a claim that the authorizer has checked, a header that something in
   * front of the function sets, or a function. A request without it is answered with 401.
   *
   * @default nobody's
   */
  readonly tenant?:
    | { readonly claim: string }
    | { readonly header: string }
    | ((request: HttpRequest) => string | undefined)
  /**
   * A larger body is answered with 413.
   *
   * @default 1_000_000
   */
  readonly maxBytes?: number
}

/**
 * HTTP requests, in one shape whatever they come through. A text is answered as `text/plain`, a value with a `statusCode`
 * is the response itself, every other value is answered as JSON. A failure is answered as problem details (RFC 9457) with
 * `Retry-After` where it is known; `.use(api)` does so also for what other middlewares throw. A body that
 * `@middy/http-json-body-parser` has parsed is taken as it is.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { http } from '@sluice/event-sources'
 * import { modelStep, retry } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 * import { z } from 'zod'
 *
 * const api = http({ schema: z.object({ text: z.string() }), tenant: { claim: 'sub' } })
 *
 * export const handler = middy(
 *   modelStep({
 *     model: bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 300 }),
 *     source: api,
 *     prompt: ({ body }) => `Summarise in one sentence:\n\n${body.text}`,
 *   }),
 * )
 *   .use(api)
 *   .use(retry())
 * ```
 */
export function http<Body = unknown>({
  parse = (body) => body as Body,
  schema,
  tenant,
  maxBytes = 1_000_000,
}: HttpOptions<Body> = {}): AnsweringSource<HttpEvent, HttpRequest<Body>, HttpResponse> {
  checkReading('http', parse, schema)
  if (!(maxBytes > 0)) throw new TypeError(`http: maxBytes is ${String(maxBytes)}. Give a number above 0.`)
  const tenantOf = tenantReader(tenant)

  async function read(request: RawRequest): Promise<HttpRequest<Body>> {
    const { isBase64Encoded, ...shape } = request
    if (tenant !== undefined && tenantOf(request) === undefined) {
      throw new InvalidEventError('The request does not say whose it is.', { statusCode: 401 })
    }
    const given = bodyOf(request, maxBytes)
    const parsed = await parsing(() => parse(given, { ...shape, body: given }))
    return { ...shape, body: schema ? await readWith(schema, parsed) : parsed }
  }

  return withHandler(
    {
      records(event: HttpEvent) {
        const request = httpRequest(event)
        return [{ id, read: () => read(request) }]
      },
      tenant: (event: HttpEvent) => tenantOf(httpRequest(event)),
      respond(outcomes, event: HttpEvent) {
        const outcome = outcomesById(outcomes)(id)
        if (outcome.status !== 'fulfilled') return failure(outcome.reason, event)
        const { value } = outcome
        if (isResponse(value)) return value
        return typeof value === 'string'
          ? responseTo(event, 200, 'text/plain; charset=utf-8', value)
          : responseTo(event, 200, 'application/json', JSON.stringify(value) ?? '')
      },
    },
    {
      onError(request: ErrorRequest): void {
        if (request.response !== undefined) return
        logFailure(request.error)
        request.response = failure(request.error, request.event as HttpEvent)
      },
    },
  )
}

const id = 'request'

function failure(error: unknown, event: HttpEvent): HttpResponse {
  const problem = problemOf(error)
  const body = JSON.stringify(problem)
  return responseTo(event, problem.status, 'application/problem+json', body, retryAfterOf(error))
}

function responseTo(
  event: HttpEvent,
  statusCode: number,
  type: string,
  body: string,
  more: Readonly<Record<string, string>> = {},
): HttpResponse {
  const headers = { 'Content-Type': type, ...more }
  const { headers: single, multiValueHeaders: several } = (event ?? {}) as Partial<ALBEvent>
  if (!several || single) return { statusCode, headers, body }
  const lists = Object.entries(headers).map(([name, value]) => [name, [value]])
  return { statusCode, multiValueHeaders: Object.fromEntries(lists), body }
}

/** As API Gateway tells them from values. */
function isResponse(value: unknown): value is HttpResponse {
  return typeof value === 'object' && value !== null && 'statusCode' in value
}

function bodyOf({ body, isBase64Encoded, headers }: RawRequest, maxBytes: number): unknown {
  if (typeof body !== 'string') return body
  const text = isBase64Encoded ? Buffer.from(body, 'base64').toString() : body
  if (Buffer.byteLength(text) > maxBytes) throw new PayloadTooLargeError('The body of the request', maxBytes)
  const type = headers.get('content-type') ?? ''
  const isJson = type === '' || /^application\/(?:[\w.+-]+\+)?json\b/i.test(type)
  return isJson ? parseJson(text, 'The body of the request') : text
}

/** An error that is made for HTTP knows its status better. */
async function parsing<Body>(parse: () => Body | Promise<Body>): Promise<Body> {
  try {
    return await guarded('The body of the request', parse)
  } catch (error) {
    const { cause } = error as Error
    if (SluiceError.is(error) && problemOf(cause).status !== 500) throw cause
    throw error
  }
}

function tenantReader<Body>(
  tenant: HttpOptions<Body>['tenant'],
): (request: HttpRequest) => string | undefined {
  if (tenant === undefined) return () => undefined
  if (typeof tenant === 'function') return tenant
  const { claim, header } = tenant as { readonly claim?: unknown; readonly header?: unknown }
  const name = claim ?? header
  if (typeof name !== 'string' || name === '' || (claim !== undefined && header !== undefined)) {
    throw new TypeError('http: tenant is none. Give { claim }, { header } or a function of the request.')
  }
  return ({ claims, headers }) => {
    const value = claim === undefined ? headers.get(name) : claims[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
}
