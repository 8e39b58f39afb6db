import middy from '@middy/core'
import { callModel, sleep } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { retry } from '@sluice/model-invocation'
import { timeoutGuard } from '@sluice/timeout-guard'
import type { Context } from 'aws-lambda'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  acts,
  after,
  attempts,
  clock,
  freshSandbox,
  invoke,
  learn,
  read,
} from './fixtures/guarded-invocation.ts'

freshSandbox()
const warnings: string[] = []
const onWarning = ({ message }: Error) => {
  warnings.push(message)
}
beforeEach(() => {
  warnings.length = 0
  process.on('warning', onWarning)
})
afterEach(() => {
  process.off('warning', onWarning)
})

/** Warnings come in a later turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

test.for([
  [{ reserveMs: -1 }, 'timeoutGuard: reserveMs is -1. Give a number of at least 0.'],
  [{ reserveMs: Number.NaN }, 'reserveMs is NaN'],
  [{ firstContentMs: 0 }, 'firstContentMs is 0. Give a number of at least 1.'],
  [{ idleMs: '5s' as never }, 'idleMs is 5s'],
  [{ attemptMs: Infinity }, 'attemptMs is Infinity'],
  [{ fitMaxTokens: { floor: 0 } }, 'fitMaxTokens.floor is 0'],
  [{ fitMaxTokens: {} as never }, 'fitMaxTokens.floor is NaN'],
  [{ mode: 'watch' as never }, 'mode is watch. Use "enforce", "observe" or "off"'],
] as const)('%o is refused by name', ([options, message]) => {
  expect(() => timeoutGuard(options)).toThrow(TypeError)
  expect(() => timeoutGuard(options)).toThrow(message)
})

async function deadlineOf(options: Parameters<typeof timeoutGuard>[0], durationMs: number): Promise<number> {
  const startedAtMs = clock.now()
  return invoke({ durationMs, ...(options && { options }) }, async (scope) => {
    return scope.deadlineMs - startedAtMs
  })
}

test('the reserve is what writing takes in this sandbox, within bounds, or what is said', async () => {
  expect(await deadlineOf({}, 10_000)).toBe(9_750)
  const writing = invoke({ options: { mode: 'off' } }, async (scope) => {
    scope.hold(sleep(clock, 700, new AbortController().signal))
  })
  await clock.advance(700)
  await writing
  expect(await deadlineOf({}, 10_000)).toBe(9_250)
  expect(await deadlineOf({}, 1_000)).toBe(750)
  expect(await deadlineOf({ reserveMs: 100 }, 1_000)).toBe(900)
  expect(await deadlineOf({ reserveMs: 0 }, 1_000)).toBe(1_000)
  expect(await deadlineOf({}, Infinity)).toBe(Infinity)
})

test('what is written at the end has the reserve for it', async () => {
  const model = fakeModel({ pieces: [], ending: 'hang' })
  const startedAtMs = clock.now()
  let written = 0
  const running = invoke({ options: { reserveMs: 500 }, durationMs: 5_000 }, async (scope) => {
    scope.hold(sleep(clock, 4_800, new AbortController().signal).then(() => (written = clock.now())))
    return read(scope, model.request())
  }).catch(() => clock.now())
  await clock.advance(5_000)
  expect((await running) as number).toBe(startedAtMs + 4_800)
  expect(written).toBe(startedAtMs + 4_800)
})

test('observing changes nothing, and tells what would have been done: a warning of each kind, a record of each time', async () => {
  const model = fakeModel(after(1_000), after(300), after(300), after(3_000, { pieces: ['Hello'] }))
  await learn(model)
  const options = { mode: 'observe', firstContentMs: 2_000, fitMaxTokens: { floor: 50 } } as const
  const deadlines: number[] = []
  const startedAtMs = clock.now()
  const running = invoke({ options, policies: [retry({ maxAttempts: 1 })] }, async (scope) => {
    deadlines.push(scope.deadlineMs - startedAtMs)
    await callModel(scope, fakeModel({}).request({ baseModelId: 'another' }))
    await sleep(clock, 9_200, scope.signal)
    await callModel(scope, model.request({ maxTokens: 10 }))
    await callModel(scope, model.request({ maxTokens: 10 }))
    return read(scope, model.request({ maxTokens: 10, baseModelId: 'third' }))
  })
  await clock.advance(20_000)
  expect(await running).toHaveLength(4)
  expect(deadlines).toEqual([10_250])
  expect(attempts.slice(-3).map(({ status, maxTokens }) => [status, maxTokens])).toEqual([
    ['answered', 10],
    ['answered', 10],
    ['answered', 10],
  ])
  expect(acts.map(({ action, enforced }) => [action, enforced])).toEqual([
    ['refused', false],
    ['refused', false],
    ['ended', false],
    ['firstContentMs', false],
  ])
  await turn()
  expect(warnings.map((message) => /acted: (\w+)/.exec(message)?.[1])).toEqual([
    'refused',
    'ended',
    'firstContentMs',
  ])
})

test('off is off', async () => {
  const model = fakeModel({ pieces: ['Hello'] })
  const startedAtMs = clock.now()
  const running = invoke({ options: { mode: 'off', attemptMs: 10 } }, async (scope) => {
    await sleep(clock, 10_200, scope.signal)
    await read(scope, model.request())
    return scope.deadlineMs - startedAtMs
  })
  await clock.advance(10_200)
  expect(await running).toBe(10_250)
})

for (const [name, timeoutEarlyInMillis, count] of [
  ['larger than the reserve is warned about, once', 4_950, 1],
  ['of a sane size is not', 40, 0],
] as const) {
  test(`an early time-out of Middy that is ${name}`, async () => {
    const handler = middy({ timeoutEarlyInMillis })
      .use(timeoutGuard({ reserveMs: 100 }))
      .handler(() => new Promise(() => {}))
    for (const awsRequestId of ['first', 'second']) {
      const endMs = Date.now() + timeoutEarlyInMillis + 30
      const context = {
        awsRequestId,
        getRemainingTimeInMillis: () => endMs - Date.now(),
      } as Partial<Context> as Context
      await expect(handler({}, context)).rejects.toMatchObject({ name: 'TimeoutError' })
    }
    await turn()
    expect(warnings).toHaveLength(count)
    if (count > 0) expect(warnings[0]).toContain('timeoutEarlyInMillis smaller than reserveMs (100)')
  })
}
