import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { type FaultRule, startLocal } from 'sluice/local'
import { afterAll, expect, test } from 'vitest'
import event from './event.json' with { type: 'json' }

const local = await startLocal({
  bedrock: { latency: 'none' },
  functions: { answer: { handler: new URL('./handler.ts', import.meta.url), timeoutMs: 15_000 } },
})
afterAll(local.close)

function start(faults: readonly FaultRule[] = []) {
  const { bedrock, functions } = local
  bedrock.reset()
  bedrock.setFaults(faults)
  async function request(fields: object = {}) {
    const { error, payload, logs } = await functions.answer.invoke<APIGatewayProxyStructuredResultV2>({
      ...event,
      ...fields,
    })
    expect(error).toBeUndefined()
    return { ...payload, logs: logs.join('\n') }
  }
  return { request, bedrock }
}

test('a message is answered as JSON', async () => {
  const { request, bedrock } = start()
  expect(await request()).toMatchObject({
    statusCode: 200,
    headers: { 'Content-Type': 'application/json' },
    body: '{"intent":"cash"}',
  })
  expect(bedrock.counters()).toMatchObject({ operations: { converse: 1 }, outcomes: { ok: 1 } })
})

test('bad requests are refused with the right status, and ask nobody', async () => {
  const { request, bedrock } = start()
  const unfit = 'It does not fit its schema at: text.'
  const bad = [
    [{ body: '{"text":' }, 400, 'The body of the request is no JSON that is accepted here.'],
    [{ headers: { 'content-type': 'text/plain' } }, 422, 'It does not fit its schema at: the whole.'],
    [{ body: '{"text":""}' }, 422, unfit],
    [{ body: '{"message":"hi"}' }, 422, unfit],
    [
      { body: '{"__proto__":{"text":"hi"}}' },
      400,
      'The body of the request is no JSON that is accepted here.',
    ],
  ] as const
  for (const [fields, statusCode, detail] of bad) {
    const { body, ...answer } = await request(fields)
    expect(answer).toMatchObject({ statusCode, headers: { 'Content-Type': 'application/problem+json' } })
    expect(JSON.parse(body ?? '')).toMatchObject({ status: statusCode, detail, code: 'invalid_event' })
  }
  expect(bedrock.counters().requests).toBe(0)
})

test('a failing service and an answer that is cut are survived', async () => {
  const { request, bedrock } = start([
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 },
    { fault: 'cut', code: 'INTERNAL_ERROR', first: 1 },
  ])
  expect(await request()).toMatchObject({ statusCode: 200, body: '{"intent":"cash"}' })
  expect(bedrock.counters().outcomes).toEqual({ ServiceUnavailableException: 1, cut: 1, ok: 1 })
})

test.for([
  [
    'no quota',
    { fault: 'throttle', retryAfterMs: 1 },
    429,
    'The service is used up to its limit. Try again later.',
  ],
  [
    'no quota today',
    { fault: 'throttle', daily: true },
    429,
    'The service is used up to its limit. Try again later.',
  ],
  [
    'a service that is down',
    { fault: 'error', name: 'InternalServerException', status: 500 },
    503,
    'The service is not available. Try again later.',
  ],
  [
    'a model that fails',
    { fault: 'error', name: 'ModelErrorException', status: 424 },
    502,
    'The model gave no usable answer.',
  ],
  [
    'a missing permission',
    { fault: 'error', name: 'AccessDeniedException', status: 403 },
    502,
    'The model could not be asked.',
  ],
  [
    'a prompt that the model refuses',
    { fault: 'error', name: 'ValidationException', status: 400 },
    422,
    'The model cannot work on this input.',
  ],
] as const)('%s: a status for the caller, the reason for the log', async ([, fault, statusCode, detail]) => {
  const { request } = start([fault])
  const answer = await request()
  expect(answer).toMatchObject({ statusCode })
  expect(JSON.parse(answer.body ?? '')).toMatchObject({ type: 'about:blank', status: statusCode, detail })
  if (fault.fault === 'throttle' && 'retryAfterMs' in fault) {
    expect(answer.headers).toMatchObject({ 'Retry-After': '1' })
  }
  expect(answer.logs).toMatch(/"why":"Bedrock answered \w+Exception/)
  expect(answer.logs).not.toContain('cash machine')
})
