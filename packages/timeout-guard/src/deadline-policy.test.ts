import { callModel, type Policy, SluiceError, settleRecords, sleep } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { fallback, retry } from '@sluice/model-invocation'
import { DeadlineExceededError } from '@sluice/timeout-guard'
import { expect, test } from 'vitest'
import {
  acts,
  after,
  attempts,
  clock,
  freshSandbox,
  invoke,
  learn,
  read,
  waitingForQuota,
} from './fixtures/guarded-invocation.ts'

freshSandbox()

const insistent = [retry({ maxAttempts: 5, random: () => 0 }), fallback(['other.model-v1'])]

/** What it came to, and when. */
async function failure(running: Promise<unknown>): Promise<DeadlineExceededError & { atMs: number }> {
  const startedAtMs = clock.now()
  let atMs = Number.NaN
  const settled = running.then(
    () => new Error('it did not fail'),
    (error: Error) => {
      atMs = clock.now() - startedAtMs
      return error
    },
  )
  await clock.advance(20_000)
  return Object.assign((await settled) as DeadlineExceededError, { atMs })
}

test('an answer that does not come is ended at the deadline: one attempt, one abort, no timer left', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const error = await failure(
    invoke({ policies: insistent }, async (scope) => {
      await sleep(clock, 2_000, scope.signal)
      return read(scope, model.request())
    }),
  )
  expect(error).toBeInstanceOf(DeadlineExceededError)
  expect(error).toMatchObject({
    name: 'DeadlineExceededError',
    code: 'deadline_exceeded',
    statusCode: 504,
    retryable: true,
    unbilled: false,
    partial: false,
    spentMs: { queue: 2_000, quota: 0, retry: 0, firstContent: 8_000, stream: 0 },
    atMs: 10_000,
  })
  expect(error.message).toBe(
    'The deadline ended the call to fake.model-v1. Spent: 2000 ms before the call, 8000 ms waiting for the answer ' +
      'to begin. Give the function more time, or less to do.',
  )
  expect(attempts).toMatchObject([
    { status: 'failed', error: { code: 'deadline_exceeded' }, estimated: true },
  ])
  expect([model.sent, model.open, clock.pending]).toEqual([1, 0, 0])
  expect(acts).toEqual([
    {
      action: 'ended',
      enforced: true,
      leftMs: 0,
      modelId: 'fake.model-v1',
      callId: expect.stringMatching(/^request-\d+:1$/),
      requestId: expect.stringMatching(/^request-\d+$/),
    },
  ])
})

test('a stream is ended in its middle: what was read was delivered, and the error tells how much', async () => {
  const model = fakeModel(after(1_000, { pieces: ['Hello', ' world'], ending: 'hang' }))
  const seen: unknown[] = []
  const error = await failure(
    invoke({ policies: insistent }, async (scope) => {
      const { events = [] } = await callModel(scope, model.request({ streaming: true }))
      for await (const event of events) seen.push(event)
    }),
  )
  expect(seen).toEqual([{}, { text: 'Hello' }, { text: ' world' }])
  expect(error).toMatchObject({
    name: 'DeadlineExceededError',
    partial: true,
    usage: { inputTokens: 10, outputTokens: 4 },
    spentMs: { firstContent: 1_000, stream: 9_000 },
    atMs: 10_000,
  })
  expect(error.message).toContain('in the middle of its answer')
  expect(attempts).toMatchObject([{ status: 'failed', partial: true }])
  expect([model.sent, model.open, clock.pending]).toEqual([1, 0, 0])
})

test('a stream that nobody reads is ended all the same', async () => {
  const model = fakeModel({ pieces: ['Hello'], ending: 'hang' })
  const running = invoke({}, async (scope) => {
    await callModel(scope, model.request({ streaming: true }))
    await sleep(clock, 10_100, new AbortController().signal)
    return scope.ended
  })
  await clock.advance(10_000)
  expect(attempts).toMatchObject([{ status: 'failed', error: { name: 'DeadlineExceededError' } }])
  expect(model.open).toBe(0)
  await clock.advance(200)
  expect(await running).toBe(false)
})

test('a wait for quota counts as one, whoever waits, and was not billed', async () => {
  const model = fakeModel({})
  const error = await failure(
    invoke({ policies: [waitingForQuota(60_000)] }, (scope) => callModel(scope, model.request())),
  )
  expect(error).toMatchObject({ spentMs: { queue: 0, quota: 10_000 }, unbilled: true, atMs: 10_000 })
  expect(error.usage.inputTokens).toBe(0)
  expect(error.message).toContain('Spent: 10000 ms waiting for quota. Give')
  expect(model.sent).toBe(0)
})

test('the time between attempts and that of several attempts add up', async () => {
  const throttled = new SluiceError('slow down', { code: 'throttled', retryable: true })
  const model = fakeModel(after(300, { error: throttled }), { pieces: [], ending: 'hang' })
  const patient = retry({ random: () => 0.5, throttledBaseDelayMs: 4_000 })
  const error = await failure(
    invoke({ policies: [patient, waitingForQuota(500)] }, (scope) => read(scope, model.request())),
  )
  expect(error.spentMs).toEqual({ queue: 0, quota: 1_000, retry: 2_000, firstContent: 7_000, stream: 0 })
})

test('a second attempt that still waits for quota at the deadline is said to wait for quota', async () => {
  const failing = new SluiceError('down', { code: 'unavailable', retryable: true })
  const model = fakeModel({ error: failing })
  const error = await failure(
    invoke({ policies: [retry({ random: () => 0 }), waitingForQuota(6_000)] }, (scope) =>
      callModel(scope, model.request()),
    ),
  )
  expect(error.spentMs).toEqual({ queue: 0, quota: 10_000, retry: 0, firstContent: 0, stream: 0 })
  expect(error.unbilled).toBe(false)
})

test('retries, and whoever else looks, see the deadline of the guard and not that of the invocation', async () => {
  const throttled = new SluiceError('slow down', { code: 'throttled', retryable: true, retryAfterMs: 5_000 })
  const model = fakeModel({ error: throttled })
  const deadlines: number[] = []
  const startedAtMs = clock.now()
  const error = await failure(
    invoke({ durationMs: 5_100, policies: insistent }, (scope) => {
      deadlines.push(scope.deadlineMs - startedAtMs)
      return callModel(scope, model.request())
    }),
  )
  expect(deadlines).toEqual([4_850])
  expect(error).toMatchObject({ code: 'throttled', atMs: 0 })
})

test('a handler may lower the deadline further', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const error = await failure(
    invoke({}, (scope) => {
      scope.deadlineMs = clock.now() + 1_500
      return read(scope, model.request())
    }),
  )
  expect(error).toMatchObject({ name: 'DeadlineExceededError', atMs: 1_500 })
})

test("the caller's own signal and the end of the invocation end a call as without the guard", async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const controller = new AbortController()
  let abandoned: Promise<unknown> | undefined
  const running = invoke({}, async (scope) => {
    const request = model.request({ streaming: true })
    const own = callModel(scope, request, { signal: controller.signal })
    abandoned = callModel(scope, request).catch((error: Error) => error.name)
    controller.abort()
    return own.catch((error: Error) => error.name)
  })
  expect(await running).toBe('AbortError')
  expect(await abandoned).toBe('ScopeEndedError')
  expect(clock.pending).toBe(0)
})

test('a call that cannot be done in the time that is left is not begun', async () => {
  const model = fakeModel(after(1_000))
  await learn(model)
  const running = invoke({ policies: insistent }, async (scope) => {
    await callModel(scope, model.request())
    await sleep(clock, 8_500, scope.signal)
    return callModel(scope, model.request())
  })
  const error = await failure(running)
  expect(error).toMatchObject({
    name: 'DeadlineExceededError',
    unbilled: true,
    retryable: true,
    partial: false,
    spentMs: { queue: 9_500, quota: 0 },
    atMs: 9_500,
  })
  expect(error.message).toContain(
    'fake.model-v1 was not asked: 500 ms are left until the deadline, and it takes about 1000 ms.',
  )
  expect(model.sent).toBe(2)
  expect(acts).toMatchObject([{ action: 'refused', enforced: true, neededMs: 1_000, leftMs: 500 }])
})

test('one that fits just about is begun, and one after the deadline is not', async () => {
  const model = fakeModel(after(1_000))
  await learn(model)
  const fits = invoke({ durationMs: 2_251 }, async (scope) => {
    await callModel(scope, model.request())
    return callModel(scope, model.request())
  })
  await clock.advance(2_001)
  await expect(fits).resolves.toMatchObject({ output: { text: 'whole' } })
  const late = invoke({}, async (scope) => {
    await sleep(clock, 10_000, scope.signal)
    return callModel(scope, fakeModel({}).request({ modelId: 'never.asked', baseModelId: 'never.asked' }))
  })
  expect((await failure(late)).message).toContain(
    'never.asked was not asked: 0 ms are left until the deadline.',
  )
})

test('calls that have all the time there is are begun whatever was learned: else nothing would be learned again', async () => {
  const model = fakeModel(after(1_000), {})
  await learn(model)
  const outcomes = invoke({ durationMs: 900, options: { reserveMs: 100 } }, (scope) =>
    Promise.all([callModel(scope, model.request()), callModel(scope, model.request())]),
  )
  await clock.advance(800)
  await expect(outcomes).resolves.toHaveLength(2)
})

test('what a wait for quota has taken away is noticed before sending, and nobody tries again', async () => {
  const model = fakeModel(after(1_000))
  await learn(model)
  const error = await failure(
    invoke({ policies: [...insistent, waitingForQuota(9_500)] }, (scope) =>
      callModel(scope, model.request()),
    ),
  )
  expect(error).toMatchObject({
    name: 'DeadlineExceededError',
    unbilled: true,
    spentMs: { quota: 9_500, firstContent: 0 },
    atMs: 9_500,
  })
  expect(model.sent).toBe(1)
  expect(attempts.at(-1)).toMatchObject({ sent: false, estimated: false })
})

test('a caller who takes a part of the answer needs time for its beginning only', async () => {
  const model = fakeModel(after(1_000))
  await learn(model)
  const running = invoke({}, async (scope) => {
    await callModel(scope, model.request())
    await sleep(clock, 8_500, scope.signal)
    return callModel(scope, model.request({ acceptsPartial: true }))
  })
  // 500 ms are left: enough for one token of five.
  expect((await failure(running)).message).toContain('ended the call')
  expect(model.sent).toBe(3)
})

test('a policy that does not listen to its signal keeps nobody beyond the deadline', async () => {
  const deaf: Policy = {
    name: 'deaf',
    stage: 'guardrail',
    wrap: () => () => new Promise(() => {}),
  }
  const error = await failure(
    invoke({ policies: [deaf] }, (scope) => callModel(scope, fakeModel({}).request())),
  )
  expect(error).toMatchObject({ name: 'DeadlineExceededError', atMs: 10_000, unbilled: true })
  expect(clock.pending).toBe(0)
})

test('in a batch, what is finished stays so, what is not begun goes back at once', async () => {
  const model = fakeModel(after(4_000))
  const records = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, read: () => id }))
  const startedAtMs = clock.now()
  const running = invoke({}, async (scope) => {
    const outcomes = await settleRecords(records, () => callModel(scope, model.request()), { concurrency: 1 })
    return { outcomes, tookMs: clock.now() - startedAtMs }
  })
  await clock.advance(20_000)
  const { outcomes, tookMs } = await running
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'deferred',
    'deferred',
    'deferred',
  ])
  // The third was known not to fit.
  expect(tookMs).toBe(8_000)
  expect(model.sent).toBe(2)
})

test('invocations that share a process have each a deadline of their own', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const startedAtMs = clock.now()
  const ends = [2_250, 5_250, 3_250].map((durationMs) =>
    invoke({ durationMs }, (scope) => read(scope, model.request())).catch((error: DeadlineExceededError) => [
      error.name,
      error.spentMs.firstContent,
      clock.now() - startedAtMs,
    ]),
  )
  await clock.advance(6_000)
  expect(await Promise.all(ends)).toEqual([
    ['DeadlineExceededError', 2_000, 2_000],
    ['DeadlineExceededError', 5_000, 5_000],
    ['DeadlineExceededError', 3_000, 3_000],
  ])
  expect([model.open, clock.pending]).toEqual([0, 0])
})
