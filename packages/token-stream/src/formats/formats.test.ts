import { DefaultChatTransport, readUIMessageStream, type UIMessage } from 'ai'
import { describe, expect, test } from 'vitest'
import type { Encoder, StreamEnd, StreamPart, StreamUsage } from '../stream-part.ts'
import { aiSdkEncoder } from './ai-sdk.ts'
import { jsonEncoder } from './json.ts'
import { sseEncoder } from './sse.ts'
import { textEncoder } from './text.ts'

const usage = {
  inputTokens: 3,
  outputTokens: 2,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
}

const parts: readonly (StreamPart | StreamUsage)[] = [
  { type: 'reasoning', text: 'hm' },
  { type: 'token', text: 'Line 1\n' },
  { type: 'token', text: '\u2028"2"' },
  { type: 'tool-start', id: 't', name: 'find' },
  { type: 'tool-input', id: 't', text: '{"id":' },
  { type: 'tool-input', id: 't', text: '7}' },
  { type: 'tool', id: 't', name: 'find', input: { id: 7 } },
  { type: 'token', text: 'after' },
  { type: 'stop', reason: 'tool_use' },
  { type: 'usage', usage },
]
const done: StreamEnd = { type: 'done', stopReason: 'tool_use', usage, cost: '0.0012' }
const error: StreamEnd = { type: 'error', code: 'throttled', message: 'Broke off.', retryable: true, usage }

function written(encoder: Encoder, ...all: readonly (StreamPart | StreamUsage | StreamEnd)[]): string {
  return all.map((part) => encoder.encode(part)).join('')
}

describe('server-sent events', () => {
  /** As the standard reads them. */
  function events(text: string) {
    return text
      .split('\n\n')
      .filter((block) => block !== '')
      .map((block) => {
        const [, type, data] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? []
        return [type, JSON.parse(data ?? '') as unknown]
      })
  }

  test('one event for each part, and the sum at the end', () => {
    expect(events(written(sseEncoder(), ...parts, done))).toEqual([
      ['reasoning', { text: 'hm' }],
      ['token', { text: 'Line 1\n' }],
      ['token', { text: '\u2028"2"' }],
      ['tool', { id: 't', name: 'find', input: { id: 7 } }],
      ['token', { text: 'after' }],
      ['usage', usage],
      ['done', { stopReason: 'tool_use', usage, cost: '0.0012' }],
    ])
  })

  test('a failure is the last event', () => {
    expect(events(written(sseEncoder(), error))).toEqual([
      ['error', { code: 'throttled', message: 'Broke off.', retryable: true, usage }],
    ])
  })
})

test('plain text is the text, and says when it is not whole', () => {
  expect(written(textEncoder(), ...parts, done)).toBe('Line 1\n\u2028"2"after')
  expect(written(textEncoder(), { type: 'token', text: 'a' }, error)).toBe('a\n[broken off: throttled]')
})

test('one JSON object', () => {
  expect(JSON.parse(written(jsonEncoder(), ...parts, done))).toEqual({
    text: 'Line 1\n\u2028"2"after',
    reasoning: 'hm',
    tools: [{ id: 't', name: 'find', input: { id: 7 } }],
    stopReason: 'tool_use',
    usage,
    cost: '0.0012',
  })
  expect(JSON.parse(written(jsonEncoder(), { type: 'token', text: 'a' }, { type: 'done' }))).toEqual({
    text: 'a',
  })
})

describe('the AI SDK', () => {
  /** The real client: its transport fetches, parses and checks every chunk, its reader builds the message. */
  async function read(body: string, headers: Encoder['headers']) {
    const transport = new DefaultChatTransport({
      api: 'http://function.test/',
      fetch: async () => new Response(body, { headers }),
    })
    const stream = await transport.sendMessages({
      trigger: 'submit-message',
      chatId: 'chat',
      messageId: undefined,
      messages: [],
      abortSignal: undefined,
    })
    let message: UIMessage | undefined
    const errors: unknown[] = []
    const messages = readUIMessageStream({ stream, onError: (thrown) => errors.push(thrown) })
    for await (message of messages);
    return { message, errors }
  }

  test('reads text, reasoning, tools and metadata', async () => {
    const encoder = aiSdkEncoder('m1')
    const body = `${encoder.heartbeat}${written(encoder, ...parts, done)}`
    const { message, errors } = await read(body, encoder.headers)
    expect(errors).toEqual([])
    expect(message).toMatchObject({
      id: 'm1',
      role: 'assistant',
      metadata: { usage, cost: '0.0012' },
      parts: [
        { type: 'step-start' },
        { type: 'reasoning', text: 'hm', state: 'done' },
        { type: 'text', text: 'Line 1\n\u2028"2"', state: 'done' },
        { type: 'tool-find', toolCallId: 't', state: 'input-available', input: { id: 7 } },
        { type: 'text', text: 'after', state: 'done' },
      ],
    })
    expect(body).toContain('"finishReason":"tool-calls"')
    expect(body.indexOf('"text-end"')).toBeLessThan(body.indexOf('"tool-input-start"'))
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('hears of a failure, and keeps what came before it', async () => {
    const encoder = aiSdkEncoder('m1')
    const body = written(encoder, { type: 'token', text: 'a part' }, error)
    const { message, errors } = await read(body, encoder.headers)
    expect(errors.map(String)).toEqual(['Error: Broke off. (throttled)'])
    expect(message).toMatchObject({ metadata: { usage }, parts: [{}, { type: 'text', text: 'a part' }] })
    expect(body).not.toContain('finish')
    expect(body).not.toContain('[DONE]')
  })

  test('knows a stop from a failure', async () => {
    const encoder = aiSdkEncoder('m1')
    const stopped: StreamEnd = { type: 'error', code: 'aborted', message: 'Stopped.', retryable: false }
    const body = written(encoder, { type: 'token', text: 'a' }, stopped)
    expect((await read(body, encoder.headers)).errors).toEqual([])
    expect(body).toContain('{"type":"abort","reason":"Stopped."}')
  })

  test.for([
    ['end_turn', 'stop'],
    [undefined, 'stop'],
    ['max_tokens', 'length'],
    ['guardrail_intervened', 'content-filter'],
    ['made_up', 'other'],
  ])('%s is %s', async ([stopReason, finishReason]) => {
    const encoder = aiSdkEncoder('m1')
    const body = written(encoder, { type: 'done', stopReason })
    expect((await read(body, encoder.headers)).errors).toEqual([])
    expect(body).toContain(`"finishReason":"${finishReason}"`)
  })
})
