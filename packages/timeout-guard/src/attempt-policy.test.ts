import { callModel, sleep } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { retry } from '@sluice/model-invocation'
import { expect, test } from 'vitest'
import {
  acts,
  after,
  attempts,
  clock,
  freshSandbox,
  invoke,
  read,
  waitingForQuota,
} from './fixtures/guarded-invocation.ts'

freshSandbox()

const once = retry({ maxAttempts: 1 })
const twice = retry({ maxAttempts: 2, random: () => 0 })
const named = (error: Error) => error

test('an answer that does not begin in time is given up and tried again', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' }, { pieces: ['Hello'] })
  const running = invoke({ options: { firstContentMs: 2_000 }, policies: [twice] }, async (scope) => {
    const seen = await read(scope, model.request())
    return { seen, atMs: clock.now() }
  })
  const startedAtMs = clock.now()
  await clock.advance(9_000)
  const { seen, atMs } = await running
  expect(seen).toContainEqual({ text: 'Hello' })
  expect(atMs - startedAtMs).toBe(2_000)
  expect(attempts).toMatchObject([
    { status: 'failed', error: { name: 'TransportError', code: 'transport_failed' }, estimated: true },
    { status: 'answered' },
  ])
  expect(acts).toMatchObject([{ action: 'firstContentMs', leftMs: 8_000 }])
  expect([model.open, clock.pending]).toEqual([0, 0])
})

test('waiting for quota is not slowness, and neither is reading slowly', async () => {
  const model = fakeModel(after(1_900, { pieces: ['Hello', ' world'] }))
  const limits = { firstContentMs: 2_000, idleMs: 1_000 }
  const running = invoke(
    { options: limits, durationMs: 60_000, policies: [once, waitingForQuota(5_000)] },
    async (scope) => {
      const { events = [] } = await callModel(scope, model.request({ streaming: true }))
      for await (const _ of events) await sleep(clock, 5_000, scope.signal)
    },
  )
  await clock.advance(50_000)
  await running
  expect(attempts).toMatchObject([{ status: 'answered', attempt: 1 }])
})

test('the limit to the first content is for streams', async () => {
  const model = fakeModel(after(3_000))
  const running = invoke({ options: { firstContentMs: 2_000 } }, (scope) => callModel(scope, model.request()))
  await clock.advance(3_000)
  await expect(running).resolves.toBeDefined()
})

test('a stream that falls silent is cut off, after its time and at most a quarter more', async () => {
  const model = fakeModel(after(700, { pieces: ['Hello', ' world'], ending: 'hang' }))
  const seen: unknown[] = []
  const startedAtMs = clock.now()
  const running = invoke({ options: { idleMs: 1_000 }, policies: [twice] }, async (scope) => {
    const { events = [] } = await callModel(scope, model.request({ streaming: true }))
    for await (const event of events) seen.push(event)
  }).catch(named)
  await clock.advance(1_700)
  expect(model.open).toBe(1)
  await clock.advance(250)
  expect(await running).toMatchObject({
    name: 'StreamInterruptedError',
    code: 'stream_interrupted',
    partial: true,
    usage: { inputTokens: 10, outputTokens: 4 },
    message: 'fake.model-v1 reached idleMs of timeoutGuard, 1000 ms.',
  })
  expect(clock.now() - startedAtMs).toBe(1_950)
  expect(seen).toHaveLength(3)
  expect(model.sent).toBe(1)
  expect([model.open, clock.pending]).toEqual([0, 0])
})

test('a stream that is slow but not silent is left alone', async () => {
  const { transport } = fakeModel({ pieces: [] }).request()
  async function* slowly(): AsyncGenerator<unknown> {
    for (let i = 0; i < 6; i++) {
      await sleep(clock, 990, new AbortController().signal)
      yield { text: 'word' }
    }
    yield { stop: 'end_turn' }
  }
  const running = invoke({ options: { idleMs: 1_000 } }, (scope) => {
    const send: typeof transport.send = async (...sent) => ({
      ...(await transport.send(...sent)),
      events: slowly(),
    })
    return read(scope, fakeModel().request({ transport: { ...transport, send } }))
  })
  await clock.advance(8_000)
  expect(await running).toHaveLength(7)
})

test('an attempt has its time: it is tried again before content, and cut off after it', async () => {
  const model = fakeModel(after(5_000), { pieces: ['Hello'], ending: 'hang' })
  const running = invoke({ options: { attemptMs: 3_000 }, policies: [twice] }, (scope) =>
    read(scope, model.request()),
  ).catch(named)
  await clock.advance(6_000)
  expect(await running).toMatchObject({
    name: 'StreamInterruptedError',
    message: 'fake.model-v1 reached attemptMs of timeoutGuard, 3000 ms.',
  })
  expect(attempts.map(({ error, durationMs }) => [error?.name, durationMs])).toEqual([
    ['TransportError', 3_000],
    ['StreamInterruptedError', 3_000],
  ])
})

test('whoever has only a limit for attempts needs no deadline', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const running = invoke({ durationMs: Infinity, options: { attemptMs: 3_000 }, policies: [once] }, (scope) =>
    read(scope, model.request()),
  ).catch(named)
  await clock.advance(2_999)
  expect(attempts).toEqual([])
  await clock.advance(1)
  expect(await running).toMatchObject({ name: 'TransportError', retryable: true, statusCode: 504 })
  expect(clock.pending).toBe(0)
})

test('no timer outlives a call that is answered, left or failed', async () => {
  const options = { firstContentMs: 2_000, idleMs: 1_000, attemptMs: 5_000 }
  const scripts = [
    {},
    { pieces: ['Hello'] },
    { error: new Error('down') },
    { pieces: ['Hello'], ending: 'throw' },
    { pieces: ['Hello'], ending: 'truncate' },
    { pieces: ['a', 'b', 'c'], ending: 'hang' },
  ] as const
  for (const script of scripts) {
    await invoke({ options, policies: [once] }, async (scope) => {
      const { events = [] } = await callModel(scope, fakeModel(script).request({ streaming: true }))
      for await (const event of events) if ((event as { text?: string }).text === 'c') break
    }).catch(named)
    expect(clock.pending).toBe(0)
  }
  expect(attempts.map(({ status }) => status)).toEqual([
    'answered',
    'answered',
    'failed',
    'failed',
    'failed',
    'left',
  ])
})
