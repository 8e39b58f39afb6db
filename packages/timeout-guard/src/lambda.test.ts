import { type FaultRule, type InvokeResult, type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

/** In a real sandbox with the real runtime client, against the real SDK client's endpoint. */
let local: Local<'guarded' | 'batch' | 'streaming', never, never>
// More than enough to answer in, on a machine that is busy.
const timeoutMs = 2_000

beforeAll(async () => {
  const fixture = (name: string) => new URL(`./fixtures/${name}-function.ts`, import.meta.url)
  local = await startLocal({
    bedrock: { latency: 'none' },
    functions: {
      guarded: { handler: fixture('guarded'), timeoutMs, concurrency: 1 },
      batch: { handler: fixture('guarded'), exportName: 'batch', timeoutMs, concurrency: 1 },
      streaming: { handler: fixture('streaming'), timeoutMs, concurrency: 1 },
    },
  })
  // A cold start is slow; what is tested here is not.
  await local.functions.guarded.invoke({ ask: 'whole' })
})
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.bedrock.reset()
})

const invoke = (ask: string, ...faults: FaultRule[]): Promise<InvokeResult> => {
  local.bedrock.setFaults(faults)
  return local.functions.guarded.invoke({ ask })
}

test.for<[string, FaultRule]>([
  ['that never comes', { fault: 'blackhole' }],
  ['that is late', { fault: 'slowStart', ms: 60_000 }],
  ['that stalls', { fault: 'stall' }],
])('an answer %s is ended before the function is: the sandbox lives', async ([, fault]) => {
  const { error } = await invoke('whole', fault)
  expect(error).toMatchObject({
    errorType: 'DeadlineExceededError',
    errorMessage: expect.stringMatching(/waiting for the answer to begin/),
  })
  await local.bedrock.idle()
  expect(local.bedrock.counters()).toMatchObject({ requests: 1, open: 0 })
  expect(await invoke('whole')).toMatchObject({ coldStart: false, error: undefined })
})

test('what has streamed until the deadline is delivered, and says that it is a part', async () => {
  const { error, payload } = await invoke('part', { fault: 'stall', afterEvents: 8 })
  expect(error).toBeUndefined()
  expect(payload).toMatchObject({
    text: expect.stringMatching(/\w/),
    partial: true,
    stopReason: 'deadline',
    usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
  })
  await local.bedrock.idle()
  expect(local.bedrock.counters()).toMatchObject({ requests: 1, open: 0 })
})

test('a whole answer is no part, and without a word there is none', async () => {
  const whole = await invoke('part')
  expect(whole.payload).toMatchObject({ stopReason: 'end_turn' })
  expect(whole.payload).not.toHaveProperty('partial')
  const { error } = await invoke('part', { fault: 'stall', afterEvents: 1 })
  expect(error?.errorType).toBe('DeadlineExceededError')
})

test("a stream of the SDK's own ends with an error, and what came before it was read", async () => {
  const { payload } = await invoke('by client', { fault: 'stall', afterEvents: 8 })
  expect(payload).toMatchObject({
    text: expect.stringMatching(/\w/),
    name: 'DeadlineExceededError',
    partial: true,
    spentMs: { retry: 0, stream: expect.any(Number) },
  })
  expect(local.bedrock.counters().requests).toBe(1)
})

test('a sandbox that was frozen wakes up clean: no timer, no call, no generation of before', async () => {
  const first = await invoke('abandon', { fault: 'stall', skip: 1, first: 1 })
  expect(first).toMatchObject({ error: undefined, payload: 'abandoned' })
  expect(local.functions.guarded.sandboxes()).toMatchObject([
    { state: process.platform === 'win32' ? 'idle' : 'frozen' },
  ])
  await local.bedrock.idle()
  expect(local.bedrock.counters().open).toBe(0)

  const look = async () => {
    const { coldStart, payload, requestId } = await invoke('look')
    expect(coldStart).toBe(false)
    return { ...(payload as { seen: [string, string, string?][]; timers: number }), requestId }
  }
  // Middy's own timer of this invocation is the only one.
  const soon = await look()
  expect(soon.timers).toBe(1)
  // The process stands still; its wall clock goes on, beyond every deadline that was set in it.
  await new Promise((resolve) => setTimeout(resolve, timeoutMs + 100))
  const late = await look()
  expect(late.timers).toBe(1)
  expect(late.seen).toEqual(soon.seen)
  expect(late.seen).toContainEqual(['abandoned', 'ScopeEndedError'])
  const of = (id: string) => late.seen.filter(([requestId]) => requestId === id).toSorted()
  expect(of(first.requestId)).toEqual([
    [first.requestId, 'answered', null],
    [first.requestId, 'failed', 'ScopeEndedError'],
    [first.requestId, 'left', null],
  ])
  expect([...of(soon.requestId), ...of(late.requestId)]).toEqual([])
})

test('in a batch, what is finished stays so and the rest goes back', async () => {
  local.bedrock.setFaults([{ fault: 'slowStart', ms: 60_000, skip: 2 }])
  const texts = ['My card is lost.', 'My card is stolen.', 'My card is late.', 'No card.', 'Thanks.']
  const { error, payload } = await local.functions.batch.invoke({ texts })
  expect(error).toBeUndefined()
  expect(payload).toEqual([
    'fulfilled',
    'fulfilled',
    expect.stringMatching(/^deferred/),
    expect.stringMatching(/^deferred/),
    expect.stringMatching(/^deferred/),
  ])
  await local.bedrock.idle()
  expect(local.bedrock.counters()).toMatchObject({ requests: 3, open: 0 })
})

test('while a body is being streamed, to its last byte', async () => {
  local.bedrock.setFaults([{ fault: 'stall', afterEvents: 8 }])
  const { body, ended } = await local.functions.streaming.invokeStream({})
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toMatch(/\w+.*\[DeadlineExceededError\]$/s)
  expect((await ended).error).toBeUndefined()
  await local.bedrock.idle()
  expect(local.bedrock.counters()).toMatchObject({ requests: 1, open: 0 })
})
