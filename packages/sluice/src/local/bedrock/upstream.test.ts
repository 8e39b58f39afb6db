import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { expect, onTestFinished, test } from 'vitest'
import { clientFor, MODEL, readStream, say, startForTest } from './testing.ts'

/** A server of chat completions that answers as it is told, and keeps what it was asked. */
async function startUpstream(answer: (response: ServerResponse, request: IncomingMessage) => void) {
  const asked: { path: string; body: Record<string, unknown>; headers: IncomingMessage['headers'] }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked.push({
      path: request.url!,
      body: JSON.parse(String(Buffer.concat(chunks))),
      headers: request.headers,
    })
    answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const sse = (deltas: object[]) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const lines = deltas.map((delta) => `data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`).join('')
  // Split where it hurts: in the middle of a line.
  response.write(lines.slice(0, 25))
  setImmediate(() => response.end(`${lines.slice(25)}data: [DONE]\n\n`))
}

test('text that is streamed there is streamed here, and counted by our tokens', async () => {
  const upstream = await startUpstream(
    sse([{ role: 'assistant' }, { content: 'Good mor' }, { content: 'ning.' }]),
  )
  const bedrock = await startForTest({
    upstream: { url: `${upstream.url}/v1/`, model: 'tiny', headers: { authorization: 'Bearer x' } },
  })
  const client = clientFor(bedrock)
  const answer = await readStream(
    await client.send(new ConverseStreamCommand({ ...say('Hi.'), system: [{ text: 'Be kind.' }] })),
  )
  expect(answer).toMatchObject({ text: 'Good morning.', error: undefined })
  expect(upstream.asked[0]).toMatchObject({
    path: '/v1/chat/completions',
    headers: { authorization: 'Bearer x' },
    body: {
      model: 'tiny',
      stream: true,
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Hi.' },
      ],
    },
  })
  await bedrock.idle()
  expect(bedrock.counters().outputTokens).toBe(
    answer.events.filter((event) => event === 'contentBlockDelta').length,
  )
})

test('a whole answer of an upstream that does not stream', async () => {
  const upstream = await startUpstream((response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ choices: [{ message: { content: 'Good morning.' } }] }))
  })
  const bedrock = await startForTest({ upstream: upstream.url })
  const answer = await clientFor(bedrock).send(new ConverseCommand(say('Hi.')))
  expect(answer.output!.message!.content).toEqual([{ text: 'Good morning.' }])
  expect(upstream.asked[0]!.body.model).toBe(MODEL)
})

test('tools and schemas go through, and so do calls', async () => {
  const call = (change: object) => ({ tool_calls: [{ index: 0, ...change }] })
  const upstream = await startUpstream(
    sse([
      call({ id: 'call_1', function: { name: 'pay', arguments: '' } }),
      call({ function: { arguments: '{"amount":' } }),
      call({ function: { arguments: '5}' } }),
    ]),
  )
  const client = clientFor(await startForTest({ upstream: upstream.url }))
  const toolConfig = {
    tools: [{ toolSpec: { name: 'pay', description: 'Pays', inputSchema: { json: { type: 'object' } } } }],
    toolChoice: { any: {} },
  }
  const answer = await client.send(new ConverseCommand({ ...say('Pay 5.'), toolConfig }))
  expect(answer).toMatchObject({
    stopReason: 'tool_use',
    output: {
      message: { content: [{ toolUse: { toolUseId: 'call_1', name: 'pay', input: { amount: 5 } } }] },
    },
  })
  expect(upstream.asked[0]!.body).toMatchObject({
    tool_choice: 'required',
    tools: [
      { type: 'function', function: { name: 'pay', description: 'Pays', parameters: { type: 'object' } } },
    ],
  })
})

test('at the token limit the upstream is left', async () => {
  let left: Promise<unknown> | undefined
  const upstream = await startUpstream((response) => {
    left = once(response, 'close')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: 'one two three four' } }] })}\n\n`)
  })
  const bedrock = await startForTest({ upstream: upstream.url })
  const answer = await clientFor(bedrock).send(
    new ConverseCommand({ ...say('Hi.'), inferenceConfig: { maxTokens: 2 } }),
  )
  expect(answer).toMatchObject({ stopReason: 'max_tokens', usage: { outputTokens: 2 } })
  await left
})

test('a client that leaves makes us leave the upstream', async () => {
  let left: Promise<unknown> | undefined
  const upstream = await startUpstream((response) => {
    left = once(response, 'close')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: 'one' } }] })}\n\n`)
  })
  const bedrock = await startForTest({ upstream: upstream.url })
  const abort = new AbortController()
  const sending = clientFor(bedrock).send(new ConverseCommand(say('Hi.')), { abortSignal: abort.signal })
  await bedrock.until(({ outputTokens }) => outputTokens === 1)
  abort.abort()
  await expect(sending).rejects.toMatchObject({ name: 'AbortError' })
  await left
  await bedrock.idle()
  expect(bedrock.counters().outcomes).toEqual({ aborted: 1 })
})

test.each([
  [429, 'ThrottlingException', 429],
  [400, 'ValidationException', 400],
  [502, 'InternalServerException', 500],
])('its %i is our %s', async (status, name, httpStatusCode) => {
  const upstream = await startUpstream((response) => response.writeHead(status).end('no'))
  const bedrock = await startForTest({ upstream: upstream.url })
  const failure = clientFor(bedrock).send(new ConverseStreamCommand(say('Hi.')))
  await expect(failure).rejects.toMatchObject({ name, $metadata: { httpStatusCode } })
})

test('an upstream that is not there is a service that is not available', async () => {
  const bedrock = await startForTest({ upstream: 'http://127.0.0.1:1' })
  const failure = clientFor(bedrock).send(new ConverseCommand(say('Hi.')))
  await expect(failure).rejects.toMatchObject({
    name: 'ServiceUnavailableException',
    $metadata: { httpStatusCode: 503 },
  })
})

test('an upstream that breaks off is an exception in the stream', async () => {
  const upstream = await startUpstream((response, request) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: 'one' } }] })}\n\n`, () => {
      setImmediate(() => request.socket.resetAndDestroy())
    })
  })
  const bedrock = await startForTest({ upstream: upstream.url })
  const { error } = await readStream(await clientFor(bedrock).send(new ConverseStreamCommand(say('Hi.'))))
  expect(error).toMatchObject({ name: 'InternalServerException' })
})
