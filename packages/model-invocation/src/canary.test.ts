/** A word that stands in every prompt, document, tool and answer must never come out by an error, a log or a record. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import type { LocalGuardrail } from 'sluice/local'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type BedrockModel, bedrockEmbedding } from './bedrock.ts'
import { type Bench, startBench, type Turn } from './fixtures/bench.ts'
import { runTools, structured, tool } from './index.ts'

const canary = 'KANARIENVOGEL'

const prompt = {
  system: `You know ${canary}.`,
  messages: [
    {
      role: 'user' as const,
      content: [
        { text: `Tell me of ${canary}.` },
        {
          document: {
            format: 'txt' as const,
            name: 'secret',
            source: { bytes: Buffer.from(`${canary} file`) },
          },
        },
      ],
    },
  ],
}

const Ticket = z.strictObject({ topic: z.enum(['card', 'loan']), names: z.record(z.string(), z.number()) })
const misfit = { topic: canary, names: { [canary]: canary }, [canary]: 1 }
const throwing = z.unknown().transform(() => {
  throw new Error(`cannot read ${canary}`)
})
const echo = tool({
  name: 'echo',
  input: z.object({ word: z.string() }),
  run({ word }) {
    if (word === '') throw new Error(`no word but ${canary}`)
    return { word, again: canary }
  },
})

interface Case {
  readonly name: string
  readonly answer?: Turn
  readonly fault?: Parameters<Bench['endpoint']['setFaults']>[0][number]
  readonly guardrail?: LocalGuardrail
  readonly maxTokens?: number
  readonly work: (model: BedrockModel, bench: Bench) => Promise<unknown>
}

const read = async (model: BedrockModel) => {
  for await (const _ of await model.stream(prompt));
}
const message = `Bad words in the prompt: ${canary}`
const faults: readonly NonNullable<Case['fault']>[] = [
  { fault: 'error', name: 'ValidationException', status: 400, message },
  { fault: 'error', name: 'AccessDeniedException', status: 403, message },
  { fault: 'error', name: 'ModelErrorException', status: 424, message },
  { fault: 'error', name: 'InternalServerException', status: 500, message },
  { fault: 'error', name: 'TeapotException', status: 418, message },
  { fault: 'throttle', message },
  { fault: 'cut' },
]
const streamFaults: readonly NonNullable<Case['fault']>[] = [
  { fault: 'streamException', name: 'modelStreamErrorException', message, afterEvents: 3 },
  { fault: 'streamException', name: 'somethingElse', message, unmodelled: true, afterEvents: 3 },
  { fault: 'truncate', afterEvents: 4 },
  { fault: 'garbage', afterEvents: 3 },
  { fault: 'cut', afterEvents: 3 },
]

const cases: readonly Case[] = [
  ...faults.flatMap((fault): Case[] => [
    { name: `invoke: ${inspect(fault)}`, fault, work: (model) => model.invoke(prompt) },
    { name: `countTokens: ${inspect(fault)}`, fault, work: (model) => model.countTokens(prompt) },
    { name: `stream: ${inspect(fault)}`, fault, work: read },
    {
      name: `embed: ${inspect(fault)}`,
      fault,
      work: ({ scope }, { client }) =>
        bedrockEmbedding('amazon.titan-embed-text-v2:0', { client }).bind(scope).embed([canary]),
    },
  ]),
  ...streamFaults.map((fault): Case => ({ name: `stream: ${inspect(fault)}`, fault, work: read })),
  {
    name: 'a prompt of a wrong kind',
    work: (model) => model.invoke([canary].join as never),
  },
  ...(['tool', 'format'] as const).flatMap((by): Case[] => [
    {
      name: `structured by ${by}: an answer that does not fit`,
      answer: by === 'tool' ? [{ name: 'answer', input: misfit }] : JSON.stringify(misfit),
      work: (model) => structured(model, prompt, Ticket, { by }),
    },
    {
      name: `structured by ${by}: an answer of another kind`,
      answer: `I am ${canary}`,
      work: (model) => structured(model, prompt, Ticket, { by }),
    },
    {
      name: `structured by ${by}: a validator that throws`,
      answer: by === 'tool' ? [{ name: 'answer', input: misfit }] : JSON.stringify(misfit),
      work: (model) =>
        structured(model, prompt, { schema: throwing, jsonSchema: { type: 'object' } }, { by }),
    },
    {
      name: `structured by ${by}: an answer that was cut`,
      answer: by === 'tool' ? [{ name: 'answer', input: misfit }] : JSON.stringify(misfit),
      maxTokens: 5,
      work: (model) => structured(model, prompt, Ticket, { by }),
    },
    {
      name: `structured by ${by}: a guardrail`,
      guardrail: { blockedWords: [canary], blockedInputMessage: `Not about ${canary}.` },
      work: (model) => structured(model, prompt, Ticket, { by }),
    },
  ]),
  ...[{ word: canary }, { word: '' }, { word: { [canary]: canary } }].map(
    (input): Case => ({
      name: `tools without end: ${inspect(input)}`,
      answer: [
        { name: 'echo', input },
        { name: canary, input },
      ],
      work: (model) => runTools(model, prompt, { tools: [echo], maxRounds: 3 }),
    }),
  ),
  {
    name: 'a listener that fails',
    async work({ scope, invoke }) {
      scope.hold(Promise.reject(new Error(`lost ${canary}`)))
      await invoke(prompt)
      throw new Error('Nothing of this failed, as it should.')
    },
  },
]

let heard: string[] = []
let stop: () => void = () => {}

beforeEach(() => {
  heard = []
  const listen = (value: unknown) => {
    heard.push(inspect(value, { depth: 9 }))
  }
  const record = (value: unknown) => {
    heard.push(JSON.stringify(value), inspect(value, { depth: 9, showHidden: true }))
  }
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((level) =>
    vi.spyOn(console, level).mockImplementation((...values) => values.forEach(listen)),
  )
  process.on('warning', listen)
  subscribe('sluice:attempt', record)
  subscribe('sluice:call', record)
  stop = () => {
    for (const spy of spies) spy.mockRestore()
    process.off('warning', listen)
    unsubscribe('sluice:attempt', record)
    unsubscribe('sluice:call', record)
  }
})
afterEach(() => stop())

test.each(cases)('$name', async ({ answer = `All about ${canary}.`, fault, guardrail, maxTokens, work }) => {
  const bench = await startBench(() => answer, {
    ...(fault && { faults: [fault] }),
    ...(guardrail && { guardrails: { gr1: guardrail } }),
  })
  const error = await bench
    .run((model) => work(model, bench), {
      settings: {
        ...(maxTokens !== undefined && { maxTokens }),
        ...(guardrail && { guardrailConfig: { guardrailIdentifier: 'gr1', guardrailVersion: '1' } }),
      },
    })
    .then(
      () => expect.unreachable('it was answered'),
      (thrown: unknown) => thrown,
    )
  // Warnings come a turn later.
  await new Promise((resolve) => setImmediate(resolve))
  const { message, stack } = error as Error
  heard.push(message, String(stack), String(error), JSON.stringify(error), JSON.stringify({ error }))
  heard.push(inspect(error), inspect({ error }, { depth: 9, showHidden: true }))
  heard.push(JSON.stringify(Object.entries(error as Error)))
  expect(heard.filter((text) => text?.includes(canary))).toEqual([])
  expect(heard.length).toBeGreaterThan(7)
})

test('the canary is where it should be: before the model, and in what only code can reach', async () => {
  const bench = await startBench(() => [{ name: 'answer', input: misfit }])
  const error = await bench
    .run((model) => structured(model, prompt, Ticket))
    .catch((thrown: unknown) => thrown)
  expect(JSON.stringify(bench.asked[0])).toContain(canary)
  expect(JSON.stringify((error as { original: unknown }).original)).toContain(canary)
})
