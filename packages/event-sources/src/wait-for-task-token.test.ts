import { SFNClient } from '@aws-sdk/client-sfn'
import { SluiceError, sleep } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { startStepFunctions } from 'sluice/local'
import { expect, onTestFinished, test, vi } from 'vitest'
import { waitForTaskToken } from './index.ts'

async function start() {
  const clock = fakeClock()
  // One of its own, so that what waits on the other one is a heartbeat.
  const serviceClock = fakeClock()
  const local = await startStepFunctions({
    clock: {
      now: serviceClock.now,
      sleep: (ms, signal = new AbortController().signal) => sleep(serviceClock, ms, signal),
    },
  })
  const client = new SFNClient({
    endpoint: local.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  onTestFinished(async () => {
    client.destroy()
    await local.close()
  })
  return { local, client, clock, serviceClock }
}

test('calls back with what the handler returns', async () => {
  const { local, client } = await start()
  const { token, result } = local.task()
  const handler = waitForTaskToken(
    async ({ text }: { text: string }, { id }: { id: string }) => ({ text, id }),
    {
      client,
    },
  )
  expect(await handler({ taskToken: token, input: { text: 'hi' } }, { id: 'lambda' })).toBeUndefined()
  expect(await result).toEqual({ status: 'succeeded', output: { text: 'hi', id: 'lambda' } })
  const nothing = local.task()
  await waitForTaskToken(async () => {}, { client })({ taskToken: nothing.token, input: 1 }, {})
  expect(await nothing.result).toEqual({ status: 'succeeded', output: null })
})

test('calls back with the error, as a state machine can read it', async () => {
  const { local, client } = await start()
  const { token, result } = local.task()
  const reason = new SluiceError('no quota', { code: 'quota_exceeded', retryable: true, retryAfterMs: 5 })
  await waitForTaskToken(() => Promise.reject(reason), { client })({ taskToken: token, input: 1 }, {})
  const ended = await result
  expect(ended).toMatchObject({ status: 'failed', error: 'SluiceError' })
  expect(JSON.parse((ended as { cause: string }).cause)).toMatchObject({
    code: 'quota_exceeded',
    retryAfterSeconds: 1,
  })
  const other = local.task()
  await waitForTaskToken(() => Promise.reject('no error'), { client })(
    { taskToken: other.token, input: 1 },
    {},
  )
  expect(await other.result).toMatchObject({ status: 'failed', error: 'Error' })
})

test('an error of any length fits, and is still JSON', async () => {
  const { local, client } = await start()
  // The second one takes six characters for each of its own.
  for (const character of ['x', '\u0001']) {
    const { token, result } = local.task()
    const reason = Object.assign(new Error(character.repeat(40_000)), { name: 'y'.repeat(1_000) })
    await waitForTaskToken(() => Promise.reject(reason), { client })({ taskToken: token, input: 1 }, {})
    const { error, cause } = (await result) as unknown as { error: string; cause: string }
    expect(error).toHaveLength(256)
    expect(cause.length).toBeLessThanOrEqual(32_768)
    expect(JSON.parse(cause)).toMatchObject({ code: 'unexpected', message: character.repeat(4_096) })
  }
})

test('a result that does not fit fails the task, to the byte, and so does one that is no JSON', async () => {
  const { local, client } = await start()
  const endOf = async (value: unknown) => {
    const { token, result } = local.task()
    await waitForTaskToken(async () => value, { client })({ taskToken: token, input: 1 }, {})
    return result
  }
  // Two bytes of quotation marks, two for each character.
  expect(await endOf('ä'.repeat(131_071))).toMatchObject({ status: 'succeeded' })
  const late = await endOf('ä'.repeat(131_072))
  expect(late).toMatchObject({ status: 'failed', error: 'PayloadTooLargeError' })
  expect(JSON.parse((late as { cause: string }).cause)).toMatchObject({ code: 'payload_too_large' })
  const circular: Record<string, unknown> = {}
  circular.self = circular
  expect(await endOf(circular)).toMatchObject({ status: 'failed', error: 'TypeError' })
})

test('shows that it is alive, and stops when it is done', async () => {
  const { local, client, clock, serviceClock } = await start()
  const { token, result } = local.task({ heartbeatMs: 1_500 })
  const work = Promise.withResolvers<string>()
  const ended = waitForTaskToken(() => work.promise, { client, clock, heartbeatMs: 1_000 })(
    { taskToken: token, input: 1 },
    {},
  )
  for (let beats = 1; beats <= 3; beats++) {
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    await serviceClock.advance(1_000)
    await clock.advance(1_000)
    await local.until(({ operations }) => operations.SendTaskHeartbeat === beats)
  }
  await vi.waitFor(() => expect(clock.pending).toBe(1))
  work.resolve('done')
  await ended
  expect(await result).toEqual({ status: 'succeeded', output: 'done' })
  await clock.advance(10_000)
  expect(local.counters().operations).toEqual({ SendTaskHeartbeat: 3, SendTaskSuccess: 1 })
})

test('stops working for a state machine that does not wait any more', async () => {
  const { local, client, clock, serviceClock } = await start()
  const { token } = local.task({ heartbeatMs: 500 })
  let seen: AbortSignal | undefined
  const ended = waitForTaskToken(
    (_input, _context: object, { signal } = {}) => {
      seen = signal
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    },
    { client, clock, heartbeatMs: 1_000 },
  )({ taskToken: token, input: 1 }, {})
  await vi.waitFor(() => expect(clock.pending).toBe(1))
  await serviceClock.advance(1_000)
  await clock.advance(1_000)
  await ended
  expect(seen?.aborted).toBe(true)
})

test('a callback that cannot be delivered fails the invocation; a heartbeat that cannot does not', async () => {
  const { local, client, clock } = await start()
  const gone = waitForTaskToken(async () => 1, { client })
  await expect(gone({ taskToken: 'x', input: 1 }, {})).rejects.toMatchObject({ name: 'InvalidToken' })
  await expect(gone({ taskToken: '', input: 1 } as never, {})).rejects.toMatchObject({
    name: 'InvalidEventError',
  })
  const work = Promise.withResolvers<string>()
  const beating = waitForTaskToken(() => work.promise, { client, clock, heartbeatMs: 10 })(
    { taskToken: 'x', input: 1 },
    {},
  )
  await vi.waitFor(() => expect(clock.pending).toBe(1))
  await clock.advance(10)
  await local.until(({ operations }) => operations.SendTaskHeartbeat === 1)
  work.resolve('done')
  await expect(beating).rejects.toMatchObject({ name: 'InvalidToken' })
})

test('wrong options do not start', async () => {
  const { client } = await start()
  expect(() => waitForTaskToken('x' as never, { client })).toThrow(
    /^waitForTaskToken: handler is of type string/,
  )
  expect(() => waitForTaskToken(async () => {}, {} as never)).toThrow(/^waitForTaskToken: client is none/)
  for (const heartbeatMs of [-1, Infinity]) {
    expect(() => waitForTaskToken(async () => {}, { client, heartbeatMs })).toThrow(/heartbeatMs is/)
  }
})
