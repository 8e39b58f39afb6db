/** The snippets of the page of `@sluice/token-stream`, as functions of the local cloud. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { read } from './token-stream-read.ts'

const at = (name: string) => ({ handler: new URL(`./${name}.ts`, import.meta.url), timeoutMs: 10_000 })
const functions = {
  events: at('token-stream'),
  guarded: at('token-stream-guarded'),
  parts: at('token-stream-parts'),
  whole: at('token-stream-whole'),
}
const event = { body: 'My card never came. I have waited for two weeks.' }

let local: Local<keyof typeof functions, never, never>
beforeAll(async () => {
  local = await startLocal({ bedrock: { latency: 'none' }, functions })
})
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.bedrock.reset()
})

test('token-stream.ts and token-stream-read.ts: a reader gets the text, and knows whole from cut', async () => {
  const server = createServer(async (request, response) => {
    const {
      body,
      statusCode = 502,
      headers,
    } = await local.functions.events.invokeStream({ body: await text(request) })
    response.writeHead(statusCode, headers)
    for await (const chunk of body) response.write(chunk)
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  let said = ''
  const onText = (piece: string) => {
    said += piece
  }
  const { outputTokens } = local.bedrock.counters()
  expect(outputTokens).toBe(0)
  expect(await read(url, event.body, onText)).toMatchObject({
    stopReason: 'end_turn',
    usage: { outputTokens: expect.any(Number) },
  })
  expect(said).toContain('card')
  local.bedrock.setFaults([{ fault: 'truncate', afterEvents: 3 }])
  await expect(read(url, event.body, onText)).rejects.toThrow('stream_interrupted')
  server.close()
})

test('token-stream-guarded.ts: plain text, with a last line where it is not whole', async () => {
  const whole = await local.functions.guarded.invokeStream(event)
  expect(await text(whole.body)).not.toContain('broken off')
  local.bedrock.setFaults([{ fault: 'truncate', afterEvents: 3 }])
  const cut = await local.functions.guarded.invokeStream(event)
  expect(await text(cut.body)).toMatch(/\n\[broken off: stream_interrupted\]$/)
})

test('token-stream-parts.ts: one stream of two answers, in the protocol of the AI SDK', async () => {
  const { body, statusCode, headers } = await local.functions.parts.invokeStream(event)
  expect(statusCode).toBe(201)
  expect(headers).toMatchObject({ 'x-letter': '1', 'x-vercel-ai-ui-message-stream': 'v1' })
  const all = await text(body)
  expect(all).toContain('In short: ')
  expect(all.endsWith('data: [DONE]\n\n')).toBe(true)
  expect(local.bedrock.counters().requests).toBe(2)
  expect(all).toContain(`"outputTokens":${local.bedrock.counters().outputTokens}`)
})

test('token-stream-whole.ts: one JSON object', async () => {
  const { payload } = await local.functions.whole.invoke<{ body: string }>(event)
  expect(JSON.parse(payload?.body ?? '')).toMatchObject({
    text: expect.stringContaining('card'),
    stopReason: 'end_turn',
    usage: { outputTokens: local.bedrock.counters().outputTokens },
  })
})
