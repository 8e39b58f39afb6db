import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isAlive } from '../testing.ts'
import type { LogLine } from './function.ts'
import { startFixture, startMeeting } from './testing.ts'

test('a TypeScript handler answers, and its sandbox is warm for the next event', async () => {
  const echo = await startFixture('echo.ts', { timeoutMs: 5_000 })
  const first = await echo.invoke<{ remainingMs: number; pid: number }>({ greeting: 'grüezi' })
  const arn = 'arn:aws:lambda:us-east-1:000000000000:function:echo'
  expect(first).toMatchObject({ coldStart: true, error: undefined })
  expect(first.payload).toMatchObject({ event: { greeting: 'grüezi' }, calls: 1, arn })
  expect(first.payload?.remainingMs).toBeGreaterThan(4_000)
  expect(first.payload?.remainingMs).toBeLessThanOrEqual(5_000)
  const second = await echo.invoke({})
  expect(second).toMatchObject({ coldStart: false, payload: { calls: 2, pid: first.payload?.pid } })
  expect(second.requestId).not.toBe(first.requestId)
})

test('a JavaScript handler runs where it is, with the export that was named', async () => {
  const plain = await startFixture('plain.mjs', { exportName: 'greet' })
  expect(await plain.invoke({ name: 'Ada' })).toMatchObject({ payload: 'Hello, Ada' })
})

test('it sees the environment of Lambda, and nothing of the shell that started it', async () => {
  process.env.SLUICE_TEST_SECRET = 'of the shell'
  const modes = await startFixture('modes.ts', {
    memoryMb: 512,
    environment: { OWN: 'yes', AWS_REGION: 'eu-central-1', AWS_LAMBDA_FUNCTION_NAME: 'no' },
    nodeArguments: ['--import', 'data:text/javascript,process.env.IMPORTED = "first"'],
  })
  const { payload } = await modes.invoke<Record<string, string>>({ mode: 'environment' })
  delete process.env.SLUICE_TEST_SECRET
  expect(payload).toMatchObject({
    OWN: 'yes',
    IMPORTED: 'first',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: expect.stringMatching(/.+/),
    AWS_LAMBDA_FUNCTION_NAME: 'modes',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
    AWS_EXECUTION_ENV: expect.stringMatching(/^AWS_Lambda_nodejs\d+\.x$/),
    TZ: ':UTC',
    _X_AMZN_TRACE_ID: expect.stringMatching(/^Root=1-/),
  })
  expect(payload).not.toHaveProperty('SLUICE_TEST_SECRET')
  expect(payload).not.toHaveProperty('HOME')
})

test('a thrown error is a result, with a trace into the TypeScript source, and the sandbox lives on', async () => {
  const modes = await startFixture('modes.ts')
  const { error, payload } = await modes.invoke({ mode: 'throw' })
  expect(payload).toBeUndefined()
  expect(error).toMatchObject({ errorType: 'RangeError', errorMessage: 'out of it' })
  expect(error?.trace.join('\n')).toContain('fixtures/modes.ts:3')
  expect(await modes.invoke({ mode: 'throw text' })).toMatchObject({
    coldStart: false,
    error: { errorType: 'string', errorMessage: 'only text', trace: [] },
  })
})

test('an answer over 6 MB is an error, an event over 6 MB is refused', async () => {
  const modes = await startFixture('modes.ts')
  const { error } = await modes.invoke({ mode: 'large' })
  expect(error?.errorType).toBe('Function.ResponseSizeTooLarge')
  await expect(modes.invoke({ mode: 'x'.repeat(6_291_456) })).rejects.toThrow(RangeError)
})

test.for([
  ['a module that throws', 'broken-init.ts', {}, 'TypeError', 'no configuration'],
  ['a missing export', 'echo.ts', { exportName: 'nothing' }, 'Runtime.HandlerNotFound', 'index.nothing'],
  ['an init without end', 'endless-init.ts', { initTimeoutMs: 200 }, 'Sandbox.Timedout', '0.20 seconds'],
] as const)(
  '%s fails the event, and the next one tries again',
  async ([, fixture, definition, type, message]) => {
    const broken = await startFixture(fixture, definition)
    for (const _attempt of [1, 2]) {
      const { error } = await broken.invoke({})
      expect(error?.errorType).toBe(type)
      expect(error?.errorMessage).toContain(message)
    }
    expect(broken.sandboxes()).toEqual([])
  },
)

test('a sandbox that ends is reported as on Lambda and replaced', async () => {
  const modes = await startFixture('modes.ts', { concurrency: 1 })
  const { error, requestId } = await modes.invoke({ mode: 'exit' })
  expect(error).toEqual({
    errorType: 'Runtime.ExitError',
    errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: exit status 7`,
    trace: [],
  })
  expect(await modes.invoke({ mode: 'ok' })).toMatchObject({ coldStart: true, error: undefined })
})

test('the deadline kills even a sandbox that spins', async () => {
  const modes = await startFixture('modes.ts', { timeoutMs: 300, concurrency: 1 })
  await modes.invoke({ mode: 'ok' })
  const pid = modes.sandboxes()[0]?.pid
  const { error, requestId, durationMs } = await modes.invoke({ mode: 'spin' })
  expect(error).toEqual({
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${requestId} Error: Task timed out after 0.30 seconds`,
    trace: [],
  })
  expect(durationMs).toBeGreaterThanOrEqual(295)
  expect(await modes.invoke({ mode: 'ok' })).toMatchObject({ coldStart: true, error: undefined })
  expect(isAlive(pid)).toBe(false)
})

test('a killed sandbox fails its event and is replaced', async () => {
  const meeting = await startMeeting()
  const visitor = await startFixture('meeting.ts')
  const running = visitor.invoke({ url: meeting.url })
  await meeting.arrived(1)
  expect(visitor.kill(visitor.sandboxes()[0]?.id)).toBe(true)
  expect((await running).error?.errorMessage).toContain('Runtime exited with error: signal: killed')
  const next = visitor.invoke({ url: meeting.url })
  await meeting.arrived(2)
  meeting.release()
  expect(await next).toMatchObject({ coldStart: true, error: undefined })
})

test('as many sandboxes as events at once, never more than the concurrency', async () => {
  const meeting = await startMeeting()
  const visitor = await startFixture('meeting.ts', { concurrency: 3, timeoutMs: 20_000 })
  const results = Array.from({ length: 5 }, () => visitor.invoke<{ pid: number }>({ url: meeting.url }))
  await meeting.arrived(3)
  expect(visitor.sandboxes().map(({ state }) => state)).toEqual(['busy', 'busy', 'busy'])
  meeting.release()
  await meeting.arrived(2)
  meeting.release()
  const pids = (await Promise.all(results)).map(({ payload }) => payload?.pid)
  expect(new Set(pids).size).toBe(3)
  expect(meeting.mostAtOnce).toBe(3)
})

test('a frozen sandbox has no time: its timers stand still between two events', async () => {
  const frozen = await startFixture('ticking.ts')
  const thawed = await startFixture('ticking.ts', { freeze: false })
  const ticksBefore = (await frozen.invoke<number>({ waitForTicks: 1 })).payload ?? 0
  const { payload: start = 0 } = await thawed.invoke<number>({})
  const [sandbox] = frozen.sandboxes()
  expect(sandbox?.state).toBe('frozen')
  if (process.platform === 'linux') {
    expect(readFileSync(`/proc/${sandbox?.pid}/stat`, 'utf8')).toMatch(/\) T /)
  }
  // The other one's clock goes on while nobody asks it, and says when enough time has passed.
  await thawed.invoke({ waitForTicks: 60 })
  const ticksAfter = (await frozen.invoke<number>({})).payload ?? 0
  const { payload: end = 0 } = await thawed.invoke<number>({})
  expect(end - start).toBeGreaterThanOrEqual(60)
  expect(ticksAfter - ticksBefore).toBeLessThan(10)
})

test('Managed Instances: several invocations in one process and one thread, none frozen', async () => {
  const meeting = await startMeeting(6)
  const visitor = await startFixture('meeting.ts', {
    managedInstances: { maxConcurrency: 6, workerCount: 2 },
    concurrency: 1,
  })
  type Place = { pid: number; threadId: number }
  const results = Array.from({ length: 6 }, () => visitor.invoke<Place>({ url: meeting.url }))
  const places = (await Promise.all(results)).map(({ payload }) => payload)
  expect(meeting.mostAtOnce).toBe(6)
  expect(new Set(places.map((place) => place?.pid)).size).toBe(1)
  expect(new Set(places.map((place) => place?.threadId)).size).toBeLessThanOrEqual(2)
  expect(visitor.sandboxes().map(({ state }) => state)).not.toContain('frozen')
})

test('Managed Instances: a time-out leaves the neighbours alone', async () => {
  const modes = await startFixture('modes.ts', {
    managedInstances: { maxConcurrency: 4, workerCount: 1 },
    concurrency: 1,
    timeoutMs: 400,
  })
  await modes.invoke({ mode: 'ok' })
  const late = modes.invoke({ mode: 'hang' })
  const neighbour = await modes.invoke<{ pid: number }>({ mode: 'ok' })
  expect((await late).error?.errorType).toBe('Sandbox.Timedout')
  expect(await modes.invoke({ mode: 'ok' })).toMatchObject({ coldStart: false, payload: neighbour.payload })
})

test('the lines of an invocation come with its result, and every line to onLog', async () => {
  const lines: LogLine[] = []
  const modes = await startFixture('modes.ts', {}, (line) => lines.push(line))
  const { logs, requestId } = await modes.invoke({ mode: 'log' })
  expect(logs.toSorted()).toEqual(
    [expect.stringContaining('to the console'), 'to the error stream'].toSorted(),
  )
  expect(lines.map((line) => line.requestId)).toEqual([requestId, requestId])
  expect((await modes.invoke({ mode: 'ok' })).logs).toEqual([])
})

test('a caller can give up: in line the event is taken back, in a sandbox it is worked to its end', async () => {
  const meeting = await startMeeting()
  const visitor = await startFixture('meeting.ts', { concurrency: 1 })
  const inSandbox = new AbortController()
  const running = visitor.invoke({ url: meeting.url }, { signal: inSandbox.signal })
  await meeting.arrived(1)
  const inLine = new AbortController()
  const waiting = visitor.invoke({ url: `${meeting.url}never` }, { signal: inLine.signal })
  inLine.abort(new Error('no patience'))
  await expect(waiting).rejects.toThrow('no patience')
  inSandbox.abort(new Error('gone'))
  await expect(running).rejects.toThrow('gone')
  expect(visitor.sandboxes()).toMatchObject([{ state: 'busy' }])
  const next = visitor.invoke({ url: meeting.url })
  meeting.release()
  await meeting.arrived(1)
  meeting.release()
  expect(await next).toMatchObject({ coldStart: false, error: undefined })
})

test('closing ends what runs and what waits', async () => {
  const meeting = await startMeeting()
  const visitor = await startFixture('meeting.ts', { concurrency: 1 })
  const running = visitor.invoke({ url: meeting.url })
  const waiting = visitor.invoke({ url: meeting.url })
  await meeting.arrived(1)
  const [sandbox] = visitor.sandboxes()
  await visitor.close()
  expect((await running).error?.errorType).toBe('Runtime.ExitError')
  expect((await waiting).error?.errorType).toBe('Sluice.Closed')
  expect(isAlive(sandbox?.pid)).toBe(false)
  await expect(visitor.invoke({})).rejects.toThrow('closed')
})

test.for([
  [{ handler: 'no/such/handler.ts' }, /functions\.echo\.handler: there is no file .*no\/such\/handler\.ts/],
  [{ handler: new URL('./fixtures', import.meta.url) }, /is neither \.ts nor \.js/],
  [{ handler: new URL('./fixtures/no-build.ts', import.meta.url) }, /does not build[\s\S]*no-such-file/],
  [
    { handler: new URL('../../../../../vitest.config.ts', import.meta.url), timeoutMs: 0 },
    /functions\.echo\.timeoutMs .* not 0/,
  ],
  [{ nativeRuntimeClient: '/nowhere' }, /functions\.echo\.nativeRuntimeClient: .*\/nowhere/],
] as const)('a bad definition names the option and the value: %o', async ([definition, message]) => {
  await expect(startFixture('echo.ts', definition)).rejects.toThrow(TypeError)
  await expect(startFixture('echo.ts', definition)).rejects.toThrow(message)
})
