import { type BedrockOptions, type FunctionDefinition, type Local, startLocal } from 'sluice/local'
import { expect, test } from 'vitest'
import type { StreamingEvent } from './fixtures/streaming.ts'
import { callsPerInvocation, type Sighting } from './many-calls.ts'
import { closers } from './testing.ts'

const fixture = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url)

interface Started {
  readonly local: Local<'it', never, never>
  /** JSON lines that the sandboxes wrote. */
  readonly lines: unknown[]
}

async function start(
  name: string,
  definition: Partial<FunctionDefinition>,
  bedrock: BedrockOptions,
): Promise<Started> {
  const lines: unknown[] = []
  const local = await startLocal({
    bedrock: { latency: 'none', ...bedrock },
    functions: { it: { handler: fixture(name), timeoutMs: 30_000, ...definition } },
    onLog({ text }) {
      if (text.startsWith('{')) lines.push(JSON.parse(text))
    },
  })
  closers.push(() => local.close())
  return { local, lines }
}

interface Mode {
  readonly name: string
  readonly definition: Partial<FunctionDefinition>
  /** Invocations that are open at once, at the endpoint too. */
  readonly atOnce: number
}

const modes: readonly Mode[] = [
  { name: 'on demand, eight sandboxes', definition: { concurrency: 8 }, atOnce: 8 },
  {
    name: 'Managed Instances, one process and one thread',
    definition: { concurrency: 1, managedInstances: { maxConcurrency: 64, workerCount: 1 } },
    atOnce: 64,
  },
]

for (const { name, definition, atOnce } of modes) {
  test(`64 events, ${name}: no call is counted for another invocation`, { timeout: 60_000 }, async () => {
    const { local, lines } = await start('many-calls', definition, {
      faults: [{ fault: 'barrier', count: atOnce }],
    })
    type Answer = { readonly scopes: string[] }
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, invocation) => local.functions.it.invoke<Answer>({ invocation })),
    )
    expect(results.filter(({ error }) => error)).toEqual([])
    expect(local.bedrock.counters()).toMatchObject({
      maxOpen: atOnce,
      requests: 64 * callsPerInvocation,
      open: 0,
    })
    expect(local.functions.it.sandboxes()).toHaveLength(atOnce === 64 ? 1 : atOnce)
    // Closing reads the logs to their end.
    await local.close()
    const sightings = lines as Sighting[]
    expect(sightings).toHaveLength(64 * callsPerInvocation)
    for (const { invocation, requestId, status } of sightings) {
      expect({ requestId, status }).toEqual({ requestId: results[invocation]?.requestId, status: 'answered' })
    }
    for (const { payload, requestId } of results) expect(payload?.scopes).toEqual([requestId])
  })
}

for (const freeze of [true, false]) {
  test(`a call that was running when the sandbox ${freeze ? 'froze' : 'went idle'} is not the next invocation's`, async () => {
    const { local } = await start(
      'abandoning',
      { concurrency: 1, freeze },
      {
        models: { 'test.running': {}, 'test.later': {}, 'test.awaited': {}, 'test.own': {} },
        faults: [{ fault: 'stall', model: 'test.running' }],
      },
    )
    const { it } = local.functions
    const first = await it.invoke({ abandon: true })
    expect(first.payload).toBe('abandoned')
    expect(it.sandboxes()).toMatchObject([{ state: freeze ? 'frozen' : 'idle' }])
    const second = await it.invoke<object>({ abandon: false })

    expect(second).toMatchObject({ coldStart: false, error: undefined })
    expect(second.payload).toEqual({
      own: 'answered',
      abandoned: ['ScopeEndedError', 'ScopeEndedError'],
      records: expect.arrayContaining([
        [first.requestId, 'test.awaited', 'answered'],
        [first.requestId, 'test.running', 'failed'],
        [second.requestId, 'test.own', 'answered'],
      ]),
    })
    expect((second.payload as { records: unknown[] }).records).toHaveLength(3)
    await local.bedrock.idle()
    expect(Object.keys(local.bedrock.counters().models)).not.toContain('test.later')
  })
}

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

for (const body of ['node', 'web'] as const) {
  test(`a streamed answer with a ${body} body: its scope lives to the last byte, and ends then`, async () => {
    const { local, lines } = await start('streaming', {}, {})
    const event: StreamingEvent = { body }
    const stream = await local.functions.it.invokeStream(event)
    const text = await read(stream.body)
    expect((await stream.ended).error).toBeUndefined()
    expect(text.slice(-20)).toMatch(/same scope$/)
    expect(text.length).toBeGreaterThan(2_000_000)
    await local.close()
    expect(lines).toMatchObject(
      Array.from({ length: 3 }, () => ({ requestId: stream.requestId, status: 'answered' })),
    )
  })

  test(`a streamed answer with a ${body} body: a call that nobody awaits ends with the last byte`, async () => {
    const { local, lines } = await start(
      'streaming',
      { freeze: false },
      {
        models: { 'test.hanging': {} },
        faults: [{ fault: 'stall', model: 'test.hanging' }],
      },
    )
    const stream = await local.functions.it.invokeStream({ body, abandon: true } satisfies StreamingEvent)
    expect((await read(stream.body)).slice(-20)).toMatch(/same scope$/)
    expect((await stream.ended).error).toBeUndefined()
    await local.bedrock.idle()
    await local.close()
    expect(lines).toContainEqual({ abandoned: 'ScopeEndedError' })
    expect(lines).toContainEqual({ requestId: stream.requestId, status: 'failed', modelId: 'test.hanging' })
  })
}

test('a streaming handler that throws before its answer: its open call is stopped', async () => {
  const { local, lines } = await start(
    'streaming',
    { freeze: false },
    {
      models: { 'test.hanging': {} },
      faults: [{ fault: 'stall', model: 'test.hanging' }],
    },
  )
  const stream = await local.functions.it.invokeStream({
    body: 'node',
    fail: 'before',
  } satisfies StreamingEvent)
  await read(stream.body).catch(() => {})
  expect((await stream.ended).error).toMatchObject({ errorMessage: 'of the handler' })
  await local.bedrock.idle()
  await local.close()
  expect(lines).toContainEqual({ requestId: stream.requestId, status: 'failed', modelId: 'test.hanging' })
})

test('a body that throws midway costs its sandbox, as on Lambda, but leaves nothing open', async () => {
  const { local, lines } = await start('streaming', {}, {})
  const stream = await local.functions.it.invokeStream({
    body: 'node',
    fail: 'midway',
  } satisfies StreamingEvent)
  await read(stream.body).catch(() => {})
  expect((await stream.ended).error).toBeDefined()
  await local.bedrock.idle()
  const next = await local.functions.it.invokeStream({ body: 'node' } satisfies StreamingEvent)
  expect((await read(next.body)).slice(-20)).toMatch(/same scope$/)
  await local.close()
  expect(lines).toMatchObject([
    { requestId: stream.requestId, status: 'answered' },
    ...Array.from({ length: 3 }, () => ({ requestId: next.requestId, status: 'answered' })),
  ])
})
