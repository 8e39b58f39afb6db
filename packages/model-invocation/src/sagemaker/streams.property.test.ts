import {
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import { runInScope } from '@sluice/core'
import fc from 'fast-check'
import { startSageMaker } from 'sluice/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordAttempts } from '../fixtures/bench.ts'
import { chat, guarded, jsonLines, type SageMakerAdapter, sagemaker, tgi } from '../sagemaker.ts'
import { partsOf } from './parts.ts'

const text = 'Grüße – 你好, 🙂!\n"Ende"'

const sse = (values: readonly unknown[], lineEnd: string) =>
  values
    .map((value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}${lineEnd}${lineEnd}`)
    .join('')
const chunk = (delta: object, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason }],
})
const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
const letters = [...text]

/** What containers send for the same answer, as recorded from their documentation. */
const streams: Readonly<
  Record<string, { readonly sent: string; readonly adapter: SageMakerAdapter<string, unknown> }>
> = {
  'chat as events': {
    adapter: chat() as SageMakerAdapter<string, unknown>,
    sent: sse(
      [
        chunk({ role: 'assistant', content: '' }),
        ...letters.map((content) => chunk({ content })),
        chunk({}, 'length'),
        { choices: [], usage },
        '[DONE]',
      ],
      '\n',
    ),
  },
  'chat as events with carriage returns and comments': {
    adapter: chat() as SageMakerAdapter<string, unknown>,
    sent: `: ping\r\n\r\nevent: message\r\n${sse([...letters.map((content) => chunk({ content })), chunk({}, 'length'), { choices: [], usage }, '[DONE]'], '\r\n')}`,
  },
  'chat as lines of JSON': {
    adapter: chat() as SageMakerAdapter<string, unknown>,
    sent: [...letters.map((content) => chunk({ content })), { ...chunk({}, 'length'), usage }]
      .map((value) => `${JSON.stringify(value)}\n`)
      .join(''),
  },
  'text generation inference': {
    adapter: tgi() as SageMakerAdapter<string, unknown>,
    sent: letters
      .map((letter) => ({
        token: { id: 1, text: letter, special: false },
        generated_text: null,
        details: null as unknown,
      }))
      .concat({
        token: { id: 2, text: '</s>', special: true },
        generated_text: text as unknown as null,
        details: { finish_reason: 'length', generated_tokens: 3, input_length: 7 },
      })
      .map((value) => `data:${JSON.stringify(value)}\n\n`)
      .join(''),
  },
}
const names = Object.keys(streams)

let sent = ''
let chunkBytes = 1
const definition = {
  container: () => ({ body: sent, contentType: 'text/event-stream' }),
  get chunkBytes() {
    return chunkBytes
  },
}
const sagemakerLocal = await startSageMaker({ latency: 'none', endpoints: { recorded: definition } })
let client: SageMakerRuntimeClient
beforeAll(() => {
  client = guarded(
    new SageMakerRuntimeClient({
      endpoint: sagemakerLocal.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    }),
  )
})
afterAll(async () => {
  client.destroy()
  await sagemakerLocal.close()
})

test.each(names)('%s: cut at every offset, the answer is the same', async (name) => {
  const { sent: all, adapter } = streams[name] as (typeof streams)[string]
  const bytes = Buffer.from(all)
  for (let at = 0; at <= bytes.length; at++) {
    const parts = []
    const body = (async function* () {
      for (const Bytes of [bytes.subarray(0, at), bytes.subarray(at)]) yield { PayloadPart: { Bytes } }
    })()
    for await (const part of partsOf(body, adapter.stream as never, 'x')) parts.push(part)
    expect(parts.map((part) => part.text ?? '').join(''), `cut at ${at}`).toBe(text)
    expect(parts.findLast((part) => part.usage)?.usage).toMatchObject({ inputTokens: 7, outputTokens: 3 })
    expect(parts.some((part) => part.last)).toBe(true)
  }
})

test.each(names)('%s: through the real client, in parts of any size', async (name) => {
  const { sent: all, adapter } = streams[name] as (typeof streams)[string]
  sent = all
  const sizes = [1, 2, 3, 5, 7, 64, 1000, Buffer.byteLength(all)]
  for (chunkBytes of sizes) {
    const answer = await runInScope({}, async (scope) => {
      const model = sagemaker('recorded', { adapter, client }).bind(scope)
      return (await model.stream('x')).answer()
    })
    expect(answer).toMatchObject({
      text,
      stopReason: 'max_tokens',
      usage: { inputTokens: 7, outputTokens: 3 },
    })
  }
})

test.each(names)(
  '%s: a guarded client passes parts on as they are, and knows what they tell',
  async (name) => {
    const attempts = recordAttempts()
    sent = (streams[name] as (typeof streams)[string]).sent
    for (chunkBytes of [1, 3, 50]) {
      const bytes: Uint8Array[] = []
      await runInScope({}, async () => {
        const { Body = [] } = await client.send(
          new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'recorded', Body: Buffer.from('{}') }),
        )
        for await (const { PayloadPart } of Body) bytes.push(PayloadPart?.Bytes ?? new Uint8Array())
      })
      expect(Buffer.concat(bytes).toString()).toBe(sent)
      expect(Math.max(...bytes.map(({ length }) => length))).toBe(chunkBytes)
    }
    expect(
      attempts.map(({ status, stopReason, usage, estimated }) => ({ status, stopReason, usage, estimated })),
    ).toEqual(
      Array.from({ length: 3 }, () => ({
        status: 'answered',
        stopReason: 'max_tokens',
        usage: expect.objectContaining({ inputTokens: 7, outputTokens: 3 }),
        estimated: false,
      })),
    )
  },
)

test.each(
  names.flatMap((name) => ['within a line', 'between two lines'].map((where) => [name, where] as const)),
)(
  '%s: cut off %s, the answer is broken off, for the model and for the guarded client',
  async (name, where) => {
    const { sent: all, adapter } = streams[name] as (typeof streams)[string]
    const middle = all.indexOf('好')
    // What follows the line is what the stream lacks, and nothing else is wrong with it.
    const lineEnd = all.lastIndexOf('\n', middle) + 1
    sent = all.slice(0, where === 'within a line' ? middle + 1 : lineEnd)
    chunkBytes = 10
    await runInScope({}, async (scope) => {
      const stream = await sagemaker('recorded', { adapter, client }).bind(scope).stream('x')
      await expect(stream.answer()).rejects.toMatchObject({ name: 'StreamInterruptedError', partial: true })
      const { Body = [] } = await client.send(
        new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'recorded', Body: Buffer.from('{}') }),
      )
      const read = async () => {
        for await (const _ of Body);
      }
      await expect(read()).rejects.toMatchObject({ name: 'StreamInterruptedError', partial: true })
    })
  },
)

test('any text in any parts is read as it was written', async () => {
  const pieces = fc.array(fc.string({ unit: 'binary', maxLength: 8 }), { minLength: 1, maxLength: 12 })
  const property = fc.asyncProperty(
    pieces,
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
    fc.constantFrom('\n', '\r\n'),
    fc.boolean(),
    async (said, sizes, lineEnd, asEvents) => {
      const values = [...said.map((content) => chunk({ content })), chunk({}, 'stop')]
      const lines = asEvents
        ? sse(values, lineEnd)
        : values.map((value) => `${JSON.stringify(value)}${lineEnd}`).join('')
      const bytes = Buffer.from(lines)
      const body = (async function* () {
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] as number
          yield { PayloadPart: { Bytes: bytes.subarray(at, at + size) } }
          at += size
        }
      })()
      let read = ''
      for await (const part of partsOf(body, chat().stream as never, 'x')) read += part.text ?? ''
      expect(Buffer.from(read)).toEqual(Buffer.from(said.join('')))
    },
  )
  await fc.assert(property, { numRuns: 300 })
})

test('lines of JSON need no mark of their end', async () => {
  sent = '{"label":"a"}\n{"label":"ü"}'
  for (chunkBytes of [1, 4, 100]) {
    const answer = await runInScope({}, async (scope) => {
      const model = sagemaker('recorded', { adapter: jsonLines<object, { label: string }>(), client }).bind(
        scope,
      )
      return (await model.stream([{ text: 'x' }])).answer()
    })
    expect(answer.message).toEqual([{ label: 'a' }, { label: 'ü' }])
  }
})

test.each(['plain text', 'a,b\n1,2\n', '{"one": "document"}', '', '[1,2]', '"text"', '{"a":1}\n{"a":2}\n'])(
  'a stream of a container that is not known ends where it ends: %j',
  async (body) => {
    const attempts = recordAttempts()
    sent = body
    for (chunkBytes of [1, 100]) {
      const read = runInScope({}, async () => {
        const { Body = [] } = await client.send(
          new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'recorded', Body: Buffer.from('{}') }),
        )
        let all = ''
        for await (const { PayloadPart } of Body) all += Buffer.from(PayloadPart?.Bytes ?? []).toString()
        return all
      })
      // Of nothing nobody can say that it is whole.
      if (body === '') await expect(read).rejects.toMatchObject({ name: 'StreamInterruptedError' })
      else expect(await read).toBe(body)
    }
    expect(attempts.map(({ status }) => status)).toEqual(Array(2).fill(body === '' ? 'failed' : 'answered'))
  },
)
