import middy from '@middy/core'
import httpErrorHandler from '@middy/http-error-handler'
import httpJsonBodyParser from '@middy/http-json-body-parser'
import { ModelThrottledError, type RecordContext, type RecordOutcome, SluiceError } from '@sluice/core'
import type { Context } from 'aws-lambda'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type HttpEvent, type HttpResponse, http } from './index.ts'

const json = { 'content-type': 'application/json' }
const url = (fields: object = {}) =>
  ({
    version: '2.0',
    requestContext: { http: { method: 'POST' } },
    headers: json,
    body: '{"text":"hi"}',
    ...fields,
  }) as unknown as HttpEvent
const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 } as unknown as Context

/** What the source makes of a request, and what it answers to it. */
async function readOf(fields: object, options: Parameters<typeof http<unknown>>[0] = {}): Promise<unknown> {
  const [record] = http<unknown>(options).records(url(fields))
  return Promise.resolve(record?.read()).then(({ body }: { body?: unknown } = {}) => body)
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function respond(outcome: Partial<RecordOutcome>, event = url()): HttpResponse {
  return http().respond([{ id: 'request', ...outcome } as RecordOutcome], event)
}

function silent() {
  const log = vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => log.mockRestore())
  return log
}

describe('reading', () => {
  test.for([
    ['JSON', {}, { text: 'hi' }],
    ['JSON in base64', { body: 'eyJhIjoxfQ==', isBase64Encoded: true }, { a: 1 }],
    ['JSON of a kind', { headers: { 'Content-Type': 'application/ld+json; charset=utf-8' } }, { text: 'hi' }],
    ['JSON without a type', { headers: undefined }, { text: 'hi' }],
    [
      'a load balancer with lists of headers',
      { headers: undefined, multiValueHeaders: { 'Content-Type': ['text/plain'] } },
      '{"text":"hi"}',
    ],
    ['text', { headers: { 'content-type': 'text/plain' }, body: 'hi' }, 'hi'],
    [
      'text of a type that begins like JSON',
      { headers: { 'content-type': 'application/jsonx' }, body: 'x' },
      'x',
    ],
    ['a body that was parsed before', { body: { text: 'hi' } }, { text: 'hi' }],
    ['no body of a REST API', { body: null }, undefined],
    ['no body of a function URL', { body: undefined }, undefined],
  ] as const)('%s', async ([, fields, expected]) => {
    expect(await readOf(fields)).toEqual(expected)
  })

  test('parse and the schema make of the body what they like', async () => {
    const parse = (body: unknown, { method, body: same }: { method: string; body: unknown }) => ({
      body,
      method,
      same,
    })
    expect(await readOf({ body: '5' }, { parse })).toEqual({ body: 5, method: 'POST', same: 5 })
    const [record] = http({ schema: z.object({ text: z.string().toUpperCase() }) }).records(url())
    expect((await record?.read())?.body.text).toBe('HI')
  })

  test('what is wrong is told by its status, and not quoted', async () => {
    const refuse = (body: unknown) => {
      throw new TypeError(`no: ${JSON.stringify(body)}`)
    }
    const errors = [
      await failure(readOf({ body: '{"secret' })),
      await failure(readOf({ body: '{"__proto__":"secret"}' })),
      await failure(readOf({ body: '{"text":"secret"}' }, { parse: refuse })),
      await failure(readOf({ body: '{"text":5,"secret":1}' }, { schema: z.object({ text: z.string() }) })),
      await failure(readOf({ body: '"secret"' }, { maxBytes: 7 })),
      await failure(
        readOf({ body: Buffer.from('"secret"').toString('base64'), isBase64Encoded: true }, { maxBytes: 7 }),
      ),
    ]
    expect(errors.map((error) => (error as SluiceError).statusCode)).toEqual([400, 400, 422, 422, 413, 413])
    for (const error of errors) expect((error as Error).stack).not.toContain('secret')
    expect(await readOf({ body: '"secret"' }, { maxBytes: 8 })).toBe('secret')
    const teapot = Object.assign(new Error('I am a teapot'), { statusCode: 418 })
    expect(await failure(readOf({}, { parse: () => Promise.reject(teapot) }))).toBe(teapot)
    const own = new SluiceError('mine', { code: 'unavailable' })
    expect(await failure(readOf({}, { parse: () => Promise.reject(own) }))).toBe(own)
  })
})

describe('answering', () => {
  const done = { status: 'fulfilled' } as const

  test('text as text, values as JSON, responses as they are, in the headers that are looked at', () => {
    expect(respond({ ...done, value: 'hi' })).toEqual({
      statusCode: 200,
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: 'hi',
    })
    expect(respond({ ...done, value: { label: 'card' } })).toEqual({
      statusCode: 200,
      headers: { 'Content-Type': 'application/json' },
      body: '{"label":"card"}',
    })
    const own = { statusCode: 201, body: '' }
    expect(respond({ ...done, value: own })).toBe(own)
    const balancer = url({ headers: undefined, multiValueHeaders: {} })
    expect(respond({ ...done, value: [] }, balancer)).toEqual({
      statusCode: 200,
      multiValueHeaders: { 'Content-Type': ['application/json'] },
      body: '[]',
    })
    expect(respond({ ...done, value: null }).body).toBe('null')
    expect(respond({ ...done, value: undefined }).body).toBe('')
    expect(respond({ ...done, value: [] }, url({ multiValueHeaders: {} })).headers).toBeDefined()
  })

  test('failures as problems, with a hint when to come back', () => {
    const reason = new ModelThrottledError('of account 123', {
      code: 'throttled',
      retryable: true,
      retryAfterMs: 1200,
      statusCode: 429,
    })
    const response = respond({ status: 'deferred', reason })
    expect(response).toMatchObject({
      statusCode: 429,
      headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '2' },
    })
    expect(JSON.parse(response.body)).toEqual({
      type: 'about:blank',
      title: 'Too Many Requests',
      status: 429,
      detail: 'The service is used up to its limit. Try again later.',
      code: 'throttled',
    })
  })

  test.each([
    ['access_denied', 403, 502],
    ['invalid_request', 400, 422],
    ['invalid_answer', 502, 502],
    ['model_failed', 500, 502],
    ['unavailable', 503, 503],
    ['transport_failed', 504, 503],
    ['deadline_exceeded', 500, 504],
    ['aborted', 500, 504],
    ['stream_interrupted', 502, 502],
    ['quota_exceeded', 500, 429],
    ['daily_quota_exceeded', 500, 429],
    ['budget_exceeded', 402, 402],
    ['budget_exceeded', 429, 429],
    ['budget_exceeded', 500, 500],
    ['budget_exceeded', 503, 503],
    ['invalid_event', 400, 400],
    ['payload_too_large', 413, 413],
  ] as const)('%s with its status %s is answered with %s', (code, statusCode, expected) => {
    const reason = new SluiceError('what it says', { code, statusCode })
    const problem = JSON.parse(respond({ status: 'failed', reason }).body)
    expect(problem).toMatchObject({ status: expected, code })
    const shown = code === 'invalid_event' || code === 'payload_too_large'
    expect(problem.detail === 'what it says').toBe(shown)
  })

  test.each([
    [402, 'The budget for this is spent.'],
    [429, 'The service is used up to its limit. Try again later.'],
    [500, 'The model could not be asked.'],
    [503, 'The service is not available. Try again later.'],
  ])('a budget that refuses with %s says what that means, and not whose it is', (statusCode, detail) => {
    const reason = new SluiceError('the budget of acme', { code: 'budget_exceeded', statusCode })
    expect(JSON.parse(respond({ status: 'failed', reason }).body).detail).toBe(detail)
  })

  test('errors of others show what they are made to show', () => {
    const problem = (fields: object) =>
      JSON.parse(respond({ status: 'failed', reason: Object.assign(new Error('what it says'), fields) }).body)
    const hidden = { type: 'about:blank', title: 'Internal Server Error', status: 500 }
    expect(problem({})).toEqual(hidden)
    for (const statusCode of [200, 399, 600, 404.5, '404', Number.NaN])
      expect(problem({ statusCode })).toEqual(hidden)
    expect(problem({ statusCode: 404 })).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'what it says',
    })
    expect(problem({ statusCode: 404, expose: false })).not.toHaveProperty('detail')
    expect(problem({ statusCode: 503 })).not.toHaveProperty('detail')
    expect(problem({ statusCode: 503, expose: true })).toMatchObject({ detail: 'what it says' })
    expect(problem({ statusCode: 404, message: '' })).not.toHaveProperty('detail')
    expect(problem({ statusCode: 499 }).title).toBe('Error')
    const retry = (retryAfterMs: unknown) =>
      respond({ status: 'failed', reason: Object.assign(new Error(), { retryAfterMs }) }).headers?.[
        'Retry-After'
      ]
    expect([0, 1, 1000, -1, Infinity, '5'].map(retry)).toEqual([
      '0',
      '1',
      '1',
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('tenants', () => {
  const tenantFor = async (tenant: NonNullable<Parameters<typeof http>[0]>['tenant'], fields: object) => {
    let seen: string | undefined
    const handler = http({ ...(tenant && { tenant }) }).handler(
      (_request, { scope }: RecordContext) => {
        seen = scope.tenant
      },
      { onUnfulfilled() {} },
    )
    return { ...(await handler(url(fields), { ...context, tenantId: 'platform' })), seen }
  }
  const authorized = {
    requestContext: { http: { method: 'POST' }, authorizer: { jwt: { claims: { sub: 'user' } } } },
  }

  test('of a claim, a header, or whatever a function finds; else what the platform says', async () => {
    expect(await tenantFor({ claim: 'sub' }, authorized)).toMatchObject({ statusCode: 200, seen: 'user' })
    const headers = { ...json, 'X-Tenant': 'acme' }
    expect((await tenantFor({ header: 'x-tenant' }, { headers })).seen).toBe('acme')
    expect((await tenantFor(({ headers }) => headers.get('content-type') ?? '', {})).seen).toBe(
      'application/json',
    )
    expect((await tenantFor(undefined, authorized)).seen).toBe('platform')
  })

  test('without one the answer is 401, and nothing is done', async () => {
    for (const tenant of [
      { claim: 'sub' },
      { claim: 'constructor' },
      { header: 'x-tenant' },
      () => undefined,
    ]) {
      const { statusCode, seen } = await tenantFor(tenant, {})
      expect([statusCode, seen]).toEqual([401, undefined])
    }
    const empty = { headers: { 'x-tenant': '' } }
    expect((await tenantFor({ header: 'x-tenant' }, empty)).statusCode).toBe(401)
  })
})

describe("with Middy's middlewares", () => {
  const api = http({ schema: z.object({ text: z.string() }) })
  const work = api.handler(({ body }) => body.text, { onUnfulfilled() {} })

  test('a body that they have parsed, and errors that they throw', async () => {
    const log = silent()
    const handler = middy<HttpEvent, HttpResponse>().use(api).use(httpJsonBodyParser()).handler(work)
    expect(await handler(url(), context)).toMatchObject({ statusCode: 200, body: 'hi' })
    const refused = await handler(url({ headers: { 'content-type': 'text/plain' } }), context)
    expect(JSON.parse(refused.body)).toMatchObject({ status: 415, title: 'Unsupported Media Type' })
    expect(log.mock.calls).toHaveLength(1)
  })

  test('who answered first has answered', async () => {
    silent()
    const failing = { before: () => Promise.reject(Object.assign(new Error('no'), { statusCode: 409 })) }
    const handler = middy<HttpEvent, HttpResponse>()
      .use(api)
      .use(httpErrorHandler({ logger: false }))
      .use(failing)
      .handler(work)
    expect(await handler(url(), context)).toMatchObject({ statusCode: 409, body: 'no' })
  })
})

test('what fails in the work is answered and told, and an event that is no request fails', async () => {
  const told: unknown[] = []
  const handler = http().handler(
    () => {
      throw new RangeError('a secret')
    },
    { onUnfulfilled: ({ id, reason }) => told.push([id, reason.name]) },
  )
  const response = await handler(url(), context)
  expect(response).toMatchObject({ statusCode: 500 })
  expect(response.body).not.toContain('secret')
  expect(told).toEqual([['request', 'RangeError']])
  await expect(handler({ detail: {} } as never, context)).rejects.toMatchObject({ name: 'InvalidEventError' })
})

test('wrong options do not start', () => {
  expect(() => http({ parse: null as never })).toThrow(/^http: parse is of type object/)
  expect(() => http({ schema: 'x' as never })).toThrow(/^http: schema is no Standard Schema/)
  expect(() => http({ maxBytes: 0 })).toThrow(/^http: maxBytes is 0/)
  for (const tenant of [{}, { claim: '' }, { claim: 'a', header: 'b' }, 'sub']) {
    expect(() => http({ tenant: tenant as never })).toThrow(/^http: tenant is none/)
  }
})
