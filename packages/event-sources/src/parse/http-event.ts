/** Requests of a function URL, an API Gateway (HTTP or REST) and a load balancer, in one shape. */

import { InvalidEventError } from '@sluice/core'
import { type Fields, fieldsOf, textOf } from './values.ts'

/** A request, whatever it came through. */
export interface HttpRequest<Body = unknown> {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly query: URLSearchParams
  readonly pathParameters: Readonly<Record<string, string | undefined>>
  /** What an authorizer has found out: the claims of a token, the context of a Lambda authorizer. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly body: Body
}

/** As it came: a text, undefined where there is none, or what another middleware has made of it. */
export interface RawRequest extends HttpRequest {
  readonly isBase64Encoded: boolean
}

/** @throws InvalidEventError when it is no request */
export function httpRequest(event: unknown): RawRequest {
  const fields = fieldsOf(event)
  const requestContext = fieldsOf(fields.requestContext)
  const http = fieldsOf(requestContext.http)
  const method = textOf(http.method) ?? textOf(fields.httpMethod)
  if (method === undefined) {
    throw new InvalidEventError('The event is no HTTP request. Is the function behind a URL?')
  }
  return {
    method,
    path: textOf(fields.rawPath) ?? textOf(fields.path) ?? '/',
    headers: headersOf(fields),
    query: queryOf(fields, 'elb' in requestContext),
    pathParameters: textsOf(fields.pathParameters),
    claims: claimsOf(requestContext),
    body: fields.body ?? undefined,
    isBase64Encoded: fields.isBase64Encoded === true,
  }
}

/** A load balancer sends either the one or the other; a REST API sends both. */
function headersOf({ headers, multiValueHeaders }: Fields): Headers {
  const all = new Headers()
  for (const [name, value] of entriesOf(multiValueHeaders ?? headers)) {
    try {
      all.append(name, value)
    } catch {
      // No header that HTTP allows; nobody can ask for it either.
    }
  }
  return all
}

/** Of a load balancer the parameters come as they are in the URL. */
function queryOf(fields: Fields, encoded: boolean): URLSearchParams {
  if (typeof fields.rawQueryString === 'string') return new URLSearchParams(fields.rawQueryString)
  const pairs = entriesOf(fields.multiValueQueryStringParameters ?? fields.queryStringParameters)
  return new URLSearchParams(encoded ? pairs.map((pair) => pair.join('=')).join('&') : pairs)
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.assign(Object.create(null), Object.fromEntries(entriesOf(value)))
}

/** Each name with each of its texts. */
function entriesOf(value: unknown): [name: string, value: string][] {
  return Object.entries(fieldsOf(value)).flatMap(([name, values]) =>
    [values].flat().flatMap((each): [string, string][] => (typeof each === 'string' ? [[name, each]] : [])),
  )
}

/** Where each kind of authorizer puts them. */
function claimsOf({ authorizer }: Fields): Readonly<Record<string, unknown>> {
  const own = fieldsOf(authorizer)
  const { claims, jwt, lambda, iam } = own
  return Object.assign(
    Object.create(null),
    ...[own, claims, fieldsOf(jwt).claims, lambda, iam].map((each) => ({ ...fieldsOf(each) })),
  )
}
