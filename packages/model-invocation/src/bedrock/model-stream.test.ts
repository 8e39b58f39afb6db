import type { ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime'
import { noUsage, SluiceError, type SluiceErrorCode } from '@sluice/core'
import { expect, test } from 'vitest'
import { answerOf, type BedrockAnswer, modelStream } from './model-stream.ts'

async function collected(...events: object[]): Promise<BedrockAnswer> {
  async function* stream() {
    yield* events as ConverseStreamOutput[]
  }
  return modelStream(stream()).answer()
}

const delta = (contentBlockIndex: number, delta: object) => ({
  contentBlockDelta: { contentBlockIndex, delta },
})

test('blocks of every kind are put together in their order', async () => {
  const redactedContent = Uint8Array.of(1, 2)
  const { message, text } = await collected(
    { messageStart: { role: 'assistant' } },
    delta(0, { reasoningContent: { text: 'Let me ' } }),
    delta(0, { reasoningContent: { text: 'see.' } }),
    delta(0, { reasoningContent: { signature: 'abc' } }),
    delta(1, { reasoningContent: { redactedContent } }),
    delta(3, { text: 'cited' }),
    delta(3, { citation: { title: 'Terms' } }),
    delta(2, { text: 'As ' }),
    delta(2, { text: 'is ' }),
    { contentBlockStart: { contentBlockIndex: 4, start: { toolUse: { toolUseId: 'a', name: 'search' } } } },
    delta(4, { toolUse: { input: '{"query":' } }),
    delta(4, { toolUse: { input: '"card"}' } }),
    {
      contentBlockStart: {
        contentBlockIndex: 5,
        start: { toolUse: { toolUseId: 'b', name: 'web', type: 'server_tool_use' } },
      },
    },
    { messageStop: { stopReason: 'tool_use' } },
  )
  expect(message.content).toEqual([
    { reasoningContent: { reasoningText: { text: 'Let me see.', signature: 'abc' } } },
    { reasoningContent: { redactedContent } },
    { text: 'As is ' },
    { citationsContent: { content: [{ text: 'cited' }], citations: [{ title: 'Terms' }] } },
    { toolUse: { toolUseId: 'a', name: 'search', input: { query: 'card' } } },
    { toolUse: { toolUseId: 'b', name: 'web', type: 'server_tool_use', input: {} } },
  ])
  expect(text).toBe('As is cited')
})

test('an empty text is no block, for Bedrock would refuse it in the next prompt', async () => {
  const { message } = await collected(delta(0, { text: '' }), delta(1, { text: 'Yes' }))
  expect(message.content).toEqual([{ text: 'Yes' }])
})

test('usage survives a later event that has only metrics, and an event that comes before the end', async () => {
  const usage = { inputTokens: 3, outputTokens: 2, totalTokens: 5 }
  const answer = await collected(
    delta(0, { text: 'Yes' }),
    { metadata: { usage, metrics: { latencyMs: 1 } } },
    { messageStop: { stopReason: 'end_turn' } },
    { metadata: { metrics: { latencyMs: 2 } } },
  )
  expect(answer.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 })
  expect(answer.output).toMatchObject({ usage, metrics: { latencyMs: 2 }, stopReason: 'end_turn' })
})

test('an input of a tool that was cut is kept as the text it is', async () => {
  const start = { contentBlockIndex: 0, start: { toolUse: { toolUseId: 'a', name: 'search' } } }
  const { message } = await collected(
    { contentBlockStart: start },
    delta(0, { toolUse: { input: '{"query":"ca' } }),
    { messageStop: { stopReason: 'max_tokens' } },
  )
  expect(message.content?.[0]?.toolUse?.input).toBe('{"query":"ca')
})

test('an output without a message is an answer without a text', () => {
  const output = {
    stopReason: 'content_filtered' as const,
    output: undefined,
    usage: undefined,
    metrics: undefined,
  }
  expect(answerOf(output)).toMatchObject({
    text: '',
    message: { role: 'assistant', content: [] },
    stopReason: 'content_filtered',
    intervened: false,
    usage: undefined,
  })
})

/** A stream that throws after some events. */
function broken(code: SluiceErrorCode, ...events: object[]) {
  const error = Object.assign(new SluiceError('over', { code }), { usage: { ...noUsage, outputTokens: 2 } })
  async function* stream() {
    yield* events as ConverseStreamOutput[]
    throw error
  }
  return { error, stream: modelStream(stream()) }
}

test('of an answer that the deadline cut, whoever wants it gets the part that was said', async () => {
  const said = [delta(0, { text: 'The ' }), delta(0, { text: 'card' })]
  expect(await broken('deadline_exceeded', ...said).stream.answer({ partial: true })).toMatchObject({
    text: 'The card',
    message: { role: 'assistant', content: [{ text: 'The card' }] },
    stopReason: 'deadline',
    partial: true,
    usage: { outputTokens: 2 },
  })
  const whole = await modelStream(
    (async function* () {
      yield* [...said, { messageStop: { stopReason: 'end_turn' } }] as ConverseStreamOutput[]
    })(),
  ).answer({ partial: true })
  expect(whole).toMatchObject({ text: 'The card', stopReason: 'end_turn' })
  expect(whole).not.toHaveProperty('partial')
})

test('whoever wants no part, of whom nothing was said, or whose stream just broke, gets the error', async () => {
  const said = delta(0, { text: 'The card' })
  const unwanted = broken('deadline_exceeded', said)
  await expect(unwanted.stream.answer()).rejects.toBe(unwanted.error)
  const unsaid = broken('deadline_exceeded', { messageStart: { role: 'assistant' } })
  await expect(unsaid.stream.answer({ partial: true })).rejects.toBe(unsaid.error)
  const cut = broken('stream_interrupted', said)
  await expect(cut.stream.answer({ partial: true })).rejects.toBe(cut.error)
})
