import middy from '@middy/core'
import {
  type AttemptPolicy,
  currentScope,
  InvalidEventError,
  outcomesById,
  policyMiddleware,
  runInScope,
  type Source,
  type SourceRecord,
} from '@sluice/core'
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { bedrock } from './bedrock.ts'
import { modelId, recordAttempts, rejection, startBench } from './fixtures/bench.ts'
import { modelStep, retry, type Step } from './index.ts'

const Ticket = z.object({ topic: z.enum(['card', 'loan']), urgent: z.boolean() })

interface Message {
  readonly text: string
}

function contextOf(awsRequestId: string): Context {
  return { awsRequestId, getRemainingTimeInMillis: () => 30_000 } as Context
}

function batchOf(...bodies: string[]): SQSEvent {
  const Records = bodies.map((body, at) => ({ messageId: `m${at}`, body, attributes: {} }))
  return { Records } as SQSEvent
}

/** The messages of a queue, as plainly as a source can be. */
function messages<Value = string>(
  parse: (body: string) => Value = (body) => body as Value,
): Source<SQSEvent, Value, SQSBatchResponse> {
  return {
    records({ Records }) {
      if (!Array.isArray(Records)) throw new InvalidEventError('no batch')
      return Records.map(({ messageId, body }) => ({
        id: messageId,
        async read() {
          try {
            return parse(body)
          } catch (cause) {
            throw new InvalidEventError('no message', { cause })
          }
        },
      }))
    },
    respond(outcomes, { Records }) {
      const notDone = Records.filter(
        ({ messageId }) => outcomesById(outcomes)(messageId).status !== 'fulfilled',
      )
      return { batchItemFailures: notDone.map(({ messageId }) => ({ itemIdentifier: messageId })) }
    },
  }
}

const quickly = () => retry({ random: () => 0 })

describe('without a source', () => {
  test('the event is the record, and the text of the answer is the result', async () => {
    const { client, asked } = await startBench(() => 'card')
    const step = modelStep({
      model: bedrock(modelId, { client, system: 'Classify.' }),
      prompt: ({ text }: Message) => `Message: ${text}`,
    })
    expectTypeOf(step).toEqualTypeOf<Step<Message, string>>()
    expect(await step({ text: 'My card is lost.' }, contextOf('bare'))).toBe('card')
    expect(asked).toMatchObject([{ system: 'Classify.', turns: [{ text: 'Message: My card is lost.' }] }])
  })

  test('with a schema the result is the validated value, of its type', async () => {
    const { client } = await startBench(() => [{ name: 'ticket', input: { topic: 'card', urgent: true } }])
    const step = modelStep({
      model: bedrock(modelId, { client }),
      prompt: ({ text }: Message) => ({ messages: [{ role: 'user', content: [{ text }] }] }),
      schema: Ticket,
      structured: { name: 'ticket' },
    })
    expectTypeOf(step).toEqualTypeOf<Step<Message, z.infer<typeof Ticket>>>()
    expect(await step({ text: 'My card is lost.' }, contextOf('value'))).toEqual({
      topic: 'card',
      urgent: true,
    })
  })

  test('what deliver makes of the value is the result', async () => {
    const { client } = await startBench(() => [{ name: 'answer', input: { topic: 'loan', urgent: false } }])
    const step = modelStep({
      model: bedrock(modelId, { client }),
      prompt: async ({ text }: Message) => text,
      schema: Ticket,
      deliver(value, record, answer) {
        expectTypeOf(value).toEqualTypeOf<z.infer<typeof Ticket>>()
        expectTypeOf(record).toEqualTypeOf<Message>()
        return { ...record, topic: value.topic, stopReason: answer.stopReason }
      },
    })
    expectTypeOf(step).returns.resolves.toHaveProperty('topic')
    expect(await step({ text: 'A loan?' }, contextOf('delivered'))).toEqual({
      text: 'A loan?',
      topic: 'loan',
      stopReason: 'tool_use',
    })
  })

  test('a failure is thrown as it is, by the name that a state machine can catch', async () => {
    const { client, endpoint } = await startBench()
    const step = modelStep({ model: bedrock(modelId, { client }), prompt: ({ text }: Message) => text })
    endpoint.setFaults([{ fault: 'error', name: 'AccessDeniedException', status: 403 }])
    expect(await rejection(step({ text: 'hi' }, contextOf('denied')))).toMatchObject({ name: 'ModelError' })
    const odd = modelStep({ model: bedrock(modelId, { client }), prompt: ({ text }: Message) => text.trim() })
    expect(await rejection(odd({} as Message, contextOf('odd')))).toBeInstanceOf(TypeError)
  })

  test('what a guardrail says in place of the model is not taken for an answer', async () => {
    const { client } = await startBench(() => 'Bitcoin, surely.', {
      guardrails: { gr1: { blockedWords: ['Bitcoin'], blockedOutputMessage: 'Not about that.' } },
    })
    const guardrailConfig = { guardrailIdentifier: 'gr1', guardrailVersion: '1' }
    const step = modelStep({
      model: bedrock(modelId, { client, guardrailConfig }),
      prompt: ({ text }: Message) => text,
    })
    const error = await rejection(step({ text: 'secret' }, contextOf('blocked')))
    expect(error).toMatchObject({ name: 'InvalidAnswerError', stopReason: 'guardrail_intervened' })
    expect(JSON.stringify(error)).not.toMatch(/Bitcoin|Not about that|secret/)
  })
})

describe('with the batches of a queue', () => {
  test('each record is a call, and those that are not done are reported', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => log.mockRestore())
    const { client, endpoint } = await startBench((_round, { turns }) => `to ${turns.at(-1)?.text}`)
    endpoint.setFaults([
      {
        fault: 'error',
        name: 'ValidationException',
        status: 400,
        when: ({ metadata }) => metadata?.at === '1',
      },
      { fault: 'throttle', when: ({ metadata }) => metadata?.at === '3' },
    ])
    const delivered: string[] = []
    const step = modelStep({
      model: bedrock(modelId, { client }),
      source: messages((body) => JSON.parse(body) as { at: string }),
      prompt(record) {
        expectTypeOf(record).toEqualTypeOf<{ at: string }>()
        return {
          messages: [{ role: 'user', content: [{ text: `${record.at}` }] }],
          requestMetadata: { at: record.at },
        }
      },
      deliver: (text) => {
        delivered.push(text)
      },
    })
    expectTypeOf(step).toEqualTypeOf<Step<SQSEvent, SQSBatchResponse>>()
    const handler = middy(step).use(retry({ maxAttempts: 1 }))
    const bodies = ['{"at":"0"}', '{"at":"1"}', 'a secret that is no JSON', '{"at":"3"}', '{"at":"4"}']
    expect(await handler(batchOf(...bodies), contextOf('batch'))).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm1' }, { itemIdentifier: 'm2' }, { itemIdentifier: 'm3' }],
    })
    expect(delivered.toSorted()).toEqual(['to 0', 'to 4'])
    expect(log.mock.calls.join()).not.toContain('secret')
    expect(log.mock.calls.map(([line]) => JSON.parse(line as string))).toMatchObject([
      {
        record: 'm1',
        status: 'failed',
        error: 'ModelError',
        code: 'invalid_request',
        why: expect.stringContaining('Bedrock answered ValidationException'),
      },
      { record: 'm2', status: 'failed', error: 'InvalidEventError', code: 'invalid_event' },
      { record: 'm3', status: 'deferred', error: 'ModelThrottledError', code: 'throttled' },
    ])
  })

  test('a delivery that fails is the failure of its record', async () => {
    const { client } = await startBench()
    const failed: string[] = []
    const step = modelStep({
      model: bedrock(modelId, { client }),
      source: messages(),
      prompt: (text) => text,
      async deliver(_value, record) {
        if (record === 'b') throw new RangeError('the table is full')
      },
      onUnfulfilled: ({ id, reason }) => failed.push(`${id} ${reason.message}`),
    })
    expect(await step(batchOf('a', 'b'), contextOf('delivery'))).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm1' }],
    })
    expect(failed).toEqual(['m1 the table is full'])
  })

  for (const [concurrency, expected] of [
    [undefined, 5],
    [2, 2],
  ] as const) {
    test(`works on ${expected} records at once and no more`, async () => {
      const { client, endpoint } = await startBench()
      // Every answer waits until so many are asked for: fewer at once would never come to an end.
      endpoint.setFaults([{ fault: 'barrier', count: expected }])
      let atOnce = 0
      let most = 0
      const step = modelStep({
        model: bedrock(modelId, { client }),
        source: messages(),
        prompt(text) {
          most = Math.max(most, ++atOnce)
          return text
        },
        deliver: () => {
          atOnce--
        },
        ...(concurrency && { concurrency }),
      })
      const bodies = Array.from({ length: 10 }, (_, at) => `message ${at}`)
      expect(await step(batchOf(...bodies), contextOf('many'))).toEqual({ batchItemFailures: [] })
      expect(most).toBe(expected)
    })
  }

  test('what is no batch fails the event, and asks nobody', async () => {
    const { client, endpoint } = await startBench()
    const step = modelStep({
      model: bedrock(modelId, { client }),
      source: messages(),
      prompt: (text) => text,
    })
    const error = await rejection(step({ detail: {} } as never, contextOf('wrong')))
    expect(error).toMatchObject({ name: 'InvalidEventError', code: 'invalid_event' })
    expect(endpoint.counters().requests).toBe(0)
  })
})

test('what a source throws in place of a response is thrown, and not logged', async () => {
  const { client, endpoint } = await startBench(() => 'card')
  const step = modelStep({
    model: bedrock(modelId, { client }),
    source: {
      records: (event: { text: string }) => [{ id: 'only', read: () => event.text }],
      respond([outcome]) {
        if (outcome?.status !== 'fulfilled') throw outcome?.reason
        return outcome.value
      },
    },
    prompt: (text) => text,
    onUnfulfilled: () => expect.unreachable(),
  })
  expect(await step({ text: 'lost' }, contextOf('http'))).toBe('card')
  endpoint.setFaults([{ fault: 'throttle', daily: true }])
  expect(await rejection(step({ text: 'hi' }, contextOf('http')))).toMatchObject({
    code: 'daily_quota_exceeded',
  })
})

describe('the scope', () => {
  const watched = async () => {
    const bench = await startBench()
    const scopes: unknown[] = []
    const step = modelStep({
      model: bedrock(modelId, { client: bench.client }),
      prompt(text: string) {
        scopes.push(currentScope())
        return text
      },
    })
    return { ...bench, step, scopes, attempts: recordAttempts() }
  }

  test('is that of the middlewares: their policies see every call', async () => {
    const { step, endpoint, attempts, scopes } = await watched()
    endpoint.setFaults([{ fault: 'throttle', first: 1 }])
    const seen: string[] = []
    const budget = policyMiddleware<AttemptPolicy>({
      name: 'budget',
      stage: 'budget',
      wrap: (next) => (request, context) => {
        seen.push(request.operation)
        return next(request, context)
      },
    })
    const handler = middy(step).use(quickly()).use(budget)
    await handler('hi', contextOf('one'))
    expect(seen).toEqual(['Converse', 'Converse'])
    expect(attempts).toMatchObject([{ requestId: 'one' }, { requestId: 'one' }])
    expect(scopes).toMatchObject([{ requestId: 'one', ended: true }])
  })

  test('is opened by the step where no middleware has, with the deadline of the invocation, and ended', async () => {
    const { step, scopes, attempts } = await watched()
    const before = Date.now()
    for (const handler of [step, middy(step)]) await handler('hi', contextOf('own'))
    expect(scopes).toMatchObject([
      { requestId: 'own', ended: true },
      { requestId: 'own', ended: true },
    ])
    const { deadlineMs } = scopes[0] as { deadlineMs: number }
    expect(deadlineMs).toBeGreaterThanOrEqual(before + 30_000)
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 30_000)
    expect(attempts).toHaveLength(2)
  })

  test('of another invocation is not taken, also not while it is open', async () => {
    const { step, scopes } = await watched()
    await runInScope({ requestId: 'other' }, () => step('hi', contextOf('own')))
    await runInScope({ requestId: 'own' }, () => step('hi', contextOf('own')))
    await runInScope({}, (scope) => step('hi', contextOf('own')).then(() => scopes.push(scope)))
    expect(scopes).toMatchObject([{ requestId: 'own' }, { requestId: 'own' }, {}, {}])
    expect(scopes[2]).toBe(scopes[3])
  })

  test('needs no context', async () => {
    const { step } = await watched()
    expect(await (step as unknown as (event: string) => Promise<string>)('hi')).toBe('Fine.')
  })
})

test('the time-out of Middy ends the calls, and the others do not begin', async () => {
  const { client, endpoint } = await startBench()
  endpoint.setFaults([{ fault: 'blackhole' }])
  const unfulfilled: string[] = []
  const step = modelStep({
    model: bedrock(modelId, { client }),
    source: messages(),
    prompt: (text) => text,
    concurrency: 1,
    onUnfulfilled: ({ id, status, reason }) => unfulfilled.push(`${id} ${status} ${reason.name}`),
  })
  const controller = new AbortController()
  const response = step(batchOf('a', 'b'), contextOf('late'), { signal: controller.signal })
  await endpoint.until(({ requests }) => requests === 1)
  controller.abort()
  expect(await response).toEqual({ batchItemFailures: [{ itemIdentifier: 'm0' }, { itemIdentifier: 'm1' }] })
  expect(unfulfilled).toEqual(['m0 deferred AbortError', 'm1 deferred AbortError'])
  expect(endpoint.counters().requests).toBe(1)
})

test('a step is a handler that the runtime takes: two parameters', () => {
  const step = modelStep({ model: bedrock(modelId), prompt: (text: string) => text })
  expect(step).toHaveLength(2)
})

test('types and options that cannot be right', () => {
  const model = bedrock(modelId)
  const prompt = (text: string) => text
  const own: Source<{ items: string[] }, string, number> = {
    records: ({ items }) => items.map((item): SourceRecord<string> => ({ id: item, read: () => item })),
    respond: (outcomes) => outcomes.length,
  }
  expectTypeOf(modelStep({ model, source: own, prompt })).toEqualTypeOf<Step<{ items: string[] }, number>>()
  expectTypeOf(middy(modelStep({ model, source: own, prompt })).use(retry())).toBeCallableWith(
    { items: ['a'] },
    contextOf('typed'),
  )
  const wrong = () => {
    // @ts-expect-error the prompt takes what the source reads
    modelStep({ model, source: own, prompt: (record: number) => String(record) })
    // @ts-expect-error a prompt is a text or a request
    modelStep({ model, source: own, prompt: () => 5 })
    // @ts-expect-error a text has no topic
    modelStep({ model, prompt, deliver: (value) => value.topic })
    // @ts-expect-error misspelt
    modelStep({ model, prompt, concurency: 3 })
  }
  expectTypeOf(wrong).toBeFunction()
  const untyped = modelStep as (options: object) => unknown
  expect(() => untyped({ prompt })).toThrow(/^modelStep: model is no provider/)
  expect(() => untyped({ model })).toThrow(/^modelStep: prompt is of type undefined/)
  expect(() => untyped({ model, prompt, source: {} })).toThrow(/^modelStep: source is none/)
  expect(() => untyped({ model, prompt, schema: {} })).toThrow(/^modelStep: the schema does not tell/)
  expect(() => untyped({ model, prompt, deliver: 'print' })).toThrow(/^modelStep: deliver is of type string/)
  for (const concurrency of [0, -1, 1.5, Number.NaN, '5']) {
    expect(() => untyped({ model, prompt, source: own, concurrency })).toThrow(/concurrency is /)
  }
})
