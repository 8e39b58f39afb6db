import { describe, expect, test } from 'vitest'
import { partReader } from './part-reader.ts'

function readAll(items: readonly unknown[]) {
  const reader = partReader()
  const parts = items.map((item) => reader.read(item)).filter((part) => part !== undefined)
  return { parts, reader }
}

const said = [
  { messageStart: { role: 'assistant' } },
  { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: 'hm' } } } },
  { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'x' } } } },
  { contentBlockStop: { contentBlockIndex: 0 } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'Hi' } } },
  { contentBlockDelta: { contentBlockIndex: 1, delta: { text: '' } } },
  { contentBlockStop: { contentBlockIndex: 1 } },
  { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't1', name: 'find' } } } },
  { contentBlockStart: { contentBlockIndex: 3, start: { toolUse: { toolUseId: 't2', name: 'now' } } } },
  { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '{"id":' } } } },
  { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '7}' } } } },
  { contentBlockStop: { contentBlockIndex: 2 } },
  { contentBlockStop: { contentBlockIndex: 3 } },
  { messageStop: { stopReason: 'tool_use' } },
  { metadata: { usage: { inputTokens: 3 } } },
  { somethingNew: {} },
]

test('events of Converse become parts', () => {
  const { parts, reader } = readAll(said)
  expect(parts).toEqual([
    { type: 'reasoning', text: 'hm' },
    { type: 'token', text: 'Hi' },
    { type: 'tool-start', id: 't1', name: 'find' },
    { type: 'tool-start', id: 't2', name: 'now' },
    { type: 'tool-input', id: 't1', text: '{"id":' },
    { type: 'tool-input', id: 't1', text: '7}' },
    { type: 'tool', id: 't1', name: 'find', input: { id: 7 } },
    { type: 'tool', id: 't2', name: 'now', input: {} },
  ])
  expect(reader).toMatchObject({ whole: true, stopReason: 'tool_use', characters: 4 })
})

test('the input of a tool that was cut stays text', () => {
  const { parts } = readAll([
    { contentBlockStart: { contentBlockIndex: 0, start: { toolUse: { toolUseId: 't', name: 'n' } } } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { toolUse: { input: '{"a' } } } },
    { contentBlockStop: { contentBlockIndex: 0 } },
  ])
  expect(parts.at(-1)).toEqual({ type: 'tool', id: 't', name: 'n', input: '{"a' })
})

describe('whole', () => {
  const states = (items: readonly unknown[]) => {
    const reader = partReader()
    return items.map((item) => {
      reader.read(item)
      return reader.whole
    })
  }

  test('an answer of Converse is, once its last word is there; the next one has to say its own', () => {
    const [start, , , , text, , , , , , , , , stop] = said
    expect(states([start, text, stop, start, text, stop])).toEqual([false, false, true, false, false, true])
    expect(states([text])).toEqual([false])
  })

  test('what has no last word is whole when it ends', () => {
    expect(states(['a', { type: 'token', text: 'b' }, Buffer.from('c')])).toEqual([true, true, true])
  })
})

test('strings, bytes and parts; nothing of what is unknown', () => {
  const euro = Buffer.from('€')
  const { parts, reader } = readAll([
    'a',
    euro.subarray(0, 1),
    euro.subarray(1),
    { type: 'token', text: 'b' },
    { type: 'stop', reason: 'end_turn' },
    { type: 'usage' },
    { type: 'done' },
    { type: 'made\nup' },
    null,
    7,
  ])
  expect(parts.filter((part) => part.type !== 'token' || part.text !== '')).toEqual([
    { type: 'token', text: 'a' },
    { type: 'token', text: '€' },
    { type: 'token', text: 'b' },
    { type: 'stop', reason: 'end_turn' },
  ])
  expect(reader.stopReason).toBe('end_turn')
})
