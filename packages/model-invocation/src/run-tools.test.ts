import { ToolLimitError, type Usage } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { recordAttempts, rejection, startBench, type Turn } from './fixtures/bench.ts'
import { type RunToolsOptions, runTools, tool } from './index.ts'

const add = tool({
  name: 'add',
  description: 'Adds two numbers',
  input: z.object({ a: z.number(), b: z.number() }),
  run: ({ a, b }) => ({ sum: a + b }),
})
const use = (name: string, input: unknown) => ({ name, input })
const sum = (a: number, b: number): Turn => [use('add', { a, b })]
const tokens = ({ inputTokens, outputTokens }: Usage) => inputTokens + outputTokens

test('what the model asks for is run, told to it, and the answer carries the whole conversation', async () => {
  const attempts = recordAttempts()
  const bench = await startBench((round) => (round === 1 ? sum(1, 2) : round === 2 ? sum(3, 4) : 'It is 7.'))
  const answer = await bench.run((model) => runTools(model, 'What is 1 + 2 + 4?', { tools: [add] }))
  expect(answer).toMatchObject({ text: 'It is 7.', stopReason: 'end_turn', rounds: 3 })
  expect(answer.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
    'user',
    'assistant',
  ])
  expect(answer.messages[2]?.content).toEqual([
    { toolResult: { toolUseId: 'use-0', status: 'success', content: [{ text: '{"sum":3}' }] } },
  ])
  const [first] = bench.asked
  expect(first?.tools).toEqual([
    {
      name: 'add',
      description: 'Adds two numbers',
      inputSchema: expect.objectContaining({ type: 'object' }),
    },
  ])
  const { inputTokens, outputTokens } = bench.endpoint.counters()
  expect(answer.usage).toMatchObject({ inputTokens, outputTokens })
  expect(attempts).toHaveLength(3)
})

test('tools of one round run together, and their results keep the order', async () => {
  let waiting = 0
  let open: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    open = resolve
  })
  const meet = tool({
    name: 'meet',
    input: z.object({ id: z.number() }),
    async run({ id }) {
      // Nobody gets away before all are here.
      if (++waiting === 3) open()
      await all
      return `met ${id}`
    },
  })
  const bench = await startBench((round) =>
    round === 1 ? [0, 1, 2].map((id) => use('meet', { id })) : 'Done.',
  )
  await bench.run((model) => runTools(model, 'Meet.', { tools: [meet] }))
  expect(bench.asked[1]?.turns[2]?.text).toBe('met 0\nmet 1\nmet 2')
})

describe('the model is told', () => {
  async function told(turn: Turn, options: Partial<RunToolsOptions> = {}): Promise<string> {
    const bench = await startBench((round) => (round === 1 ? turn : 'Done.'))
    await bench.run((model) => runTools(model, 'Go.', { tools: [add], ...options }))
    return bench.asked[1]?.turns[2]?.text ?? ''
  }
  const giving = (output: unknown) => ({
    tools: [tool({ name: 'give', input: z.object({}), run: () => output })],
  })

  test('which tools there are, when it makes one up', async () => {
    expect(await told([use('divide', {})])).toBe('There is no tool divide. Use one of: add.')
  })
  test('what is wrong with an input, and the tool is not run', async () => {
    expect(await told([use('add', { a: 'one', b: 2 })])).toMatch(/does not fit the schema:\na: .*number/)
  })
  test('the message of an error', async () => {
    const fail = tool({
      name: 'fail',
      input: z.object({}),
      run: () => {
        throw new Error('No such parcel')
      },
    })
    const tools = [fail]
    expect(await told([use('fail', {})], { tools })).toBe('No such parcel')
    const onToolError = (_error: unknown, name: string) => `${name} is out of order`
    expect(await told([use('fail', {})], { tools, onToolError })).toBe('fail is out of order')
  })
  test('texts as they are, values as JSON, and never nothing', async () => {
    expect(await told([use('give', {})], giving(' as it is'))).toBe(' as it is')
    expect(await told([use('give', {})], giving([1, 2]))).toBe('[1,2]')
    expect(await told([use('give', {})], giving(undefined))).toBe('Done.')
    expect(await told([use('give', {})], giving(''))).toBe('Done.')
    expect(await told([use('give', {})], giving(1n))).toMatch(/BigInt/)
  })
})

test('onToolError may end the loop, and tells the other tools to stop', async () => {
  let stopped: unknown
  let begun: () => void = () => {}
  const running = new Promise<void>((resolve) => {
    begun = resolve
  })
  const wait = tool({
    name: 'wait',
    input: z.object({}),
    run: (_input, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          stopped = true
          resolve(undefined)
        })
        begun()
      }),
  })
  const fail = tool({
    name: 'fail',
    input: z.object({}),
    async run() {
      await running
      throw new TypeError('broken')
    },
  })
  const bench = await startBench(() => [use('wait', {}), use('fail', {})])
  const error = await rejection(
    bench.run((model) =>
      runTools(model, 'Go.', {
        tools: [wait, fail],
        onToolError: (error) => {
          throw error
        },
      }),
    ),
  )
  expect(error).toMatchObject({ name: 'TypeError', message: 'broken' })
  expect(stopped).toBe(true)
  expect(bench.asked).toHaveLength(1)
})

describe('limits', () => {
  const forever = () => startBench(() => sum(1, 2))

  test('of rounds: 5 by default, and tools whose results nobody would see are not run', async () => {
    let runs = 0
    const bench = await forever()
    const counting = tool({ name: 'add', input: z.object({}), run: () => ++runs })
    const error = await rejection(bench.run((model) => runTools(model, 'Go.', { tools: [counting] })))
    expect(error).toBeInstanceOf(ToolLimitError)
    expect(error).toMatchObject({
      name: 'ToolLimitError',
      code: 'tool_limit_exceeded',
      limit: 'rounds',
      rounds: 5,
      stopReason: 'tool_use',
      retryable: false,
    })
    expect((error as ToolLimitError).usage.outputTokens).toBe(bench.endpoint.counters().outputTokens)
    expect(runs).toBe(4)
  })

  test('of tokens, over prompts and answers of all rounds', async () => {
    const bench = await forever()
    const error = (await rejection(
      bench.run((model) => runTools(model, 'Go.', { tools: [add], maxRounds: 100, maxTokens: 1000 })),
    )) as ToolLimitError
    expect(error.limit).toBe('tokens')
    expect(tokens(error.usage)).toBeGreaterThanOrEqual(1000)
    const last = bench.endpoint.requests().at(-1)
    expect(tokens(error.usage) - (last?.inputTokens ?? 0) - (last?.outputTokens ?? 0)).toBeLessThan(1000)
  })

  test('of cost, by the price that is given', async () => {
    const bench = await forever()
    const error = await rejection(
      bench.run((model) =>
        runTools(model, 'Go.', {
          tools: [add],
          maxCostUsd: 0.03,
          costUsd: ({ outputTokens }, id) => (outputTokens > 0 && id === model.modelId ? 0.01 : 99),
        }),
      ),
    )
    expect(error).toMatchObject({ limit: 'cost', rounds: 3 })
  })

  test('of time, also for a tool that does not listen', async () => {
    const clock = fakeClock()
    const deaf = tool({
      name: 'add',
      input: z.object({}),
      run() {
        void clock.advance(1000)
        return new Promise(() => {})
      },
    })
    const bench = await forever()
    const error = await rejection(
      bench.run((model) => runTools(model, 'Go.', { tools: [deaf], maxDurationMs: 1000 }), { clock }),
    )
    expect(error).toMatchObject({ limit: 'duration', rounds: 1, stopReason: 'tool_use' })
    expect(clock.pending).toBe(0)
  })

  test('of time, for a model that does not answer', async () => {
    const clock = fakeClock()
    const bench = await startBench(() => 'late', { faults: [{ fault: 'stall' }] })
    const work = rejection(
      bench.run((model) => runTools(model, 'Go.', { tools: [add], maxDurationMs: 1000 }), { clock }),
    )
    await bench.endpoint.until(({ requests }) => requests > 0)
    await clock.advance(1000)
    expect(await work).toMatchObject({ limit: 'duration', rounds: 0, stopReason: '' })
    await bench.endpoint.idle()
  })

  test('no timer is left after an answer', async () => {
    const clock = fakeClock()
    const bench = await startBench(() => 'Done.')
    await bench.run((model) => runTools(model, 'Go.', { tools: [add], maxDurationMs: 1000 }), { clock })
    expect(clock.pending).toBe(0)
  })
})

test("the caller's signal ends the loop inside a tool", async () => {
  const controller = new AbortController()
  const hang = tool({
    name: 'add',
    input: z.object({}),
    run() {
      controller.abort()
      return new Promise(() => {})
    },
  })
  const bench = await startBench(() => sum(1, 2))
  const { signal } = controller
  const onToolError = () => expect.unreachable('no tool has failed')
  expect(
    await rejection(bench.run((model) => runTools(model, 'Go.', { tools: [hang], signal, onToolError }))),
  ).toMatchObject({ name: 'AbortError' })
  expect(bench.asked).toHaveLength(1)
})

test('a loop that outlives its invocation asks nothing more', async () => {
  let wake: (value: unknown) => void = () => {}
  const bench = await startBench(() => sum(1, 2))
  let abandoned: Promise<unknown> | undefined
  await bench.run(
    (model) =>
      new Promise<void>((inTool) => {
        const slow = tool({
          name: 'add',
          input: z.object({}),
          run() {
            inTool()
            return new Promise((resolve) => {
              wake = resolve
            })
          },
        })
        abandoned = rejection(runTools(model, 'Go.', { tools: [slow] }))
      }),
  )
  wake(3)
  expect(await abandoned).toMatchObject({ name: 'ScopeEndedError' })
  expect(bench.asked).toHaveLength(1)
})

test('a forced tool is forced in the first round only, and other tools of the prompt stay', async () => {
  const bench = await startBench((round) => (round === 1 ? sum(1, 2) : 'Done.'))
  const search = { toolSpec: { name: 'search', inputSchema: { json: { type: 'object' } } } }
  await bench.run((model) =>
    runTools(
      model,
      {
        messages: [{ role: 'user', content: [{ text: 'Go.' }] }],
        toolConfig: { tools: [search], toolChoice: { any: {} } },
      },
      { tools: [add] },
    ),
  )
  expect(bench.asked.map(({ toolChoice }) => toolChoice)).toEqual(['any', undefined])
  expect(bench.asked.map(({ tools }) => tools.map(({ name }) => name))).toEqual([
    ['add', 'search'],
    ['add', 'search'],
  ])
})

test('an answer that was cut in a tool call is returned, not run', async () => {
  const bench = await startBench(() => sum(1, 2))
  const answer = await bench.run((model) => runTools(model, 'Go.', { tools: [add] }), {
    settings: { maxTokens: 2 },
  })
  expect(answer).toMatchObject({ stopReason: 'max_tokens', rounds: 1 })
})

test('options that cannot be right are refused', async () => {
  const bench = await startBench()
  const run = (options: object) =>
    rejection(bench.run((model) => runTools(model, 'Go.', { tools: [add], ...options })))
  expect(String(await run({ tools: [] }))).toMatch(/TypeError: runTools: give at least one tool/)
  expect(String(await run({ tools: [add, add] }))).toMatch(/two tools are named "add"/)
  expect(String(await run({ maxRounds: 0 }))).toMatch(/maxRounds is 0/)
  expect(String(await run({ maxDurationMs: Number.NaN }))).toMatch(/maxDurationMs is NaN/)
  expect(String(await run({ maxTokens: -1 }))).toMatch(/maxTokens is -1/)
  expect(String(await run({ maxCostUsd: 1 }))).toMatch(/belong together/)
  expect(String(await run({ maxCostUsd: 0, costUsd: () => 1 }))).toMatch(/maxCostUsd is 0/)
  expect(() => tool({ ...add, name: 'not a name' })).toThrow(/Use letters, digits/)
  expect(() => tool({ name: 'x', input: z.object({ at: z.date() }), run: () => 1 })).toThrow(/tool "x"/)
  expect(bench.asked).toHaveLength(0)
})

const turns: fc.Arbitrary<Turn> = fc.oneof(
  fc.constant('Done.'),
  fc.array(
    fc.record({
      name: fc.constantFrom('add', 'fail', 'unknown', 'Äpfel'),
      input: fc.oneof(
        fc.record({ a: fc.integer(), b: fc.integer() }),
        fc
          .jsonValue()
          .filter((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
      ),
    }),
    { minLength: 1, maxLength: 4 },
  ),
)

test('rounds of any shape end within the limits, each metered once and each tool answered once', async () => {
  const fail = tool({
    name: 'fail',
    input: z.unknown(),
    run: () => Promise.reject(new Error('no')),
  })
  let script: readonly Turn[] = []
  let round = 0
  const bench = await startBench(() => script[round++ % script.length] as Turn)
  const attempts = recordAttempts()
  await fc.assert(
    fc.asyncProperty(
      fc.array(turns, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 6 }),
      async (generated, maxRounds) => {
        script = generated
        round = 0
        attempts.length = 0
        bench.endpoint.reset()
        const first = generated.findIndex((turn) => typeof turn === 'string')
        const expected = first >= 0 && first < maxRounds ? first + 1 : maxRounds
        const result = await bench.run((model) =>
          runTools(model, 'Go.', { tools: [add, fail], maxRounds }).catch((error: unknown) => error),
        )
        const { rounds, usage } = result as ToolLimitError
        expect(rounds).toBe(expected)
        expect(result instanceof ToolLimitError).toBe(first < 0 || first >= maxRounds)
        expect(attempts).toHaveLength(expected)
        const { inputTokens, outputTokens } = bench.endpoint.counters()
        expect(usage).toMatchObject({ inputTokens, outputTokens })
        if (result instanceof ToolLimitError) return
        const { messages } = result as Awaited<ReturnType<typeof runTools>>
        const blocks = messages.flatMap(({ content }) => content ?? [])
        const uses = blocks.filter(({ toolUse }) => toolUse).length
        expect(blocks.filter(({ toolResult }) => toolResult)).toHaveLength(uses)
      },
    ),
    { numRuns: 60 },
  )
})
