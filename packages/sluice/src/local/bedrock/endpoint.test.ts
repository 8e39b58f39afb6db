import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
import { startBedrock } from './endpoint.ts'
import { clientFor, MODEL, readStream, say, startForTest, TRANSPORTS } from './testing.ts'
import { countTokens } from './tokens.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('Converse answers with text, usage and a request id', async () => {
    const bedrock = await startForTest()
    const client = clientFor(bedrock, transport)
    const answer = await client.send(
      new ConverseCommand({ ...say('Hello there.'), requestMetadata: { team: 'blue' } }),
    )
    expect(answer.output?.message).toEqual({ role: 'assistant', content: [{ text: 'Hello there.' }] })
    expect(answer.stopReason).toBe('end_turn')
    const { inputTokens, outputTokens } = answer.usage!
    expect(outputTokens).toBe(countTokens('Hello there.'))
    expect(answer.usage!.totalTokens).toBe(inputTokens! + outputTokens!)
    await bedrock.idle()
    const [record] = bedrock.requests()
    expect(record).toMatchObject({
      id: answer.$metadata.requestId,
      modelId: MODEL,
      operation: 'converse',
      transport,
      status: 200,
      outcome: 'ok',
      inputTokens,
      outputTokens,
      sdkAttempt: 1,
      metadata: { team: 'blue' },
    })
    expect(JSON.stringify(bedrock.requests())).not.toContain('Hello')
  })

  test('ConverseStream sends its events in the strict order, usage after messageStop', async () => {
    const bedrock = await startForTest()
    const answer = await clientFor(bedrock, transport).send(new ConverseStreamCommand(say('Hello you.')))
    const { events, text, error } = await readStream(answer)
    expect(error).toBeUndefined()
    expect(text).toBe('Hello you.')
    expect(events).toEqual([
      'messageStart',
      ...Array.from({ length: countTokens(text) }, () => 'contentBlockDelta'),
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
  })

  test('InvokeModel answers in the shape of the family, with its counts in headers', async () => {
    const bedrock = await startForTest()
    const client = clientFor(bedrock, transport)
    let headers: Record<string, string> = {}
    client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        headers = (result.response as { headers: Record<string, string> }).headers
        return result
      },
      { step: 'deserialize' },
    )
    const body = {
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'Hi.' }],
    }
    const answer = await client.send(
      new InvokeModelCommand({ modelId: MODEL, body: json(body), contentType: 'application/json' }),
    )
    expect(JSON.parse(answer.body.transformToString())).toMatchObject({
      content: [{ type: 'text', text: 'Hi.' }],
      stop_reason: 'end_turn',
      usage: { output_tokens: 2 },
    })
    expect(headers['x-amzn-bedrock-output-token-count']).toBe('2')
    expect(Number(headers['x-amzn-bedrock-input-token-count'])).toBeGreaterThan(0)
    expect(headers['x-amzn-bedrock-invocation-latency']).toMatch(/^\d+$/)
  })

  test('InvokeModelWithResponseStream ends with the metrics of the call', async () => {
    const bedrock = await startForTest()
    const body = {
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'Hi.' }],
    }
    const { body: stream } = await clientFor(bedrock, transport).send(
      new InvokeModelWithResponseStreamCommand({ modelId: MODEL, body: json(body) }),
    )
    const chunks: Record<string, unknown>[] = []
    for await (const event of stream!) chunks.push(JSON.parse(Buffer.from(event.chunk!.bytes!).toString()))
    expect(chunks.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(chunks.at(-1)!['amazon-bedrock-invocationMetrics']).toMatchObject({ outputTokenCount: 2 })
  })

  test('CountTokens tells what Converse and InvokeModel will count', async () => {
    const bedrock = await startForTest()
    const client = clientFor(bedrock, transport)
    const { messages } = say('How many tokens is this?')
    const system = [{ text: 'Be brief.' }]
    const counted = await client.send(
      new CountTokensCommand({ modelId: MODEL, input: { converse: { messages, system } } }),
    )
    const answer = await client.send(new ConverseCommand({ modelId: MODEL, messages, system }))
    expect(counted.inputTokens).toBe(answer.usage!.inputTokens)
    const body = json({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi.' }],
    })
    const invoked = await client.send(
      new CountTokensCommand({ modelId: MODEL, input: { invokeModel: { body } } }),
    )
    expect(invoked.inputTokens).toBe(6)
    expect(bedrock.counters().operations).toMatchObject({ 'count-tokens': 2 })
  })

  test.each([
    ['arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123'],
    ['arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0'],
    ['global.anthropic.claude-haiku-4-5-20251001-v1:0'],
    ['openai.gpt-oss-20b-1:0'],
  ])('takes the id %s, decoded whole', async (modelId) => {
    const bedrock = await startForTest()
    await clientFor(bedrock, transport).send(new ConverseCommand({ ...say('Hi.'), modelId }))
    expect(Object.keys(bedrock.counters().models)).toEqual([modelId])
  })

  test.each([
    [
      'an id that names no vendor',
      { modelId: 'my-model' },
      'ValidationException',
      400,
      'The provided model identifier is invalid.',
    ],
    [
      'a vendor nobody knows',
      { modelId: 'acme.rocket-v1' },
      'ValidationException',
      400,
      'identifier is invalid',
    ],
    ['no message', { messages: [] }, 'ValidationException', 400, 'must start with a user message'],
    [
      'a blank text',
      { messages: [{ role: 'user' as const, content: [{ text: ' ' }] }] },
      'ValidationException',
      400,
      'messages.0.content.0 is blank',
    ],
    [
      'an empty content',
      { messages: [{ role: 'user' as const, content: [] }] },
      'ValidationException',
      400,
      'is empty',
    ],
    [
      'the assistant first',
      { messages: [{ role: 'assistant' as const, content: [{ text: 'a' }] }] },
      'ValidationException',
      400,
      'must start with a user message',
    ],
    [
      'maxTokens of nought',
      { inferenceConfig: { maxTokens: 0 } },
      'ValidationException',
      400,
      'inferenceConfig.maxTokens',
    ],
    [
      'more tokens than the model has',
      { inferenceConfig: { maxTokens: 1_000_000 } },
      'ValidationException',
      400,
      'exceeds the model limit of 64000',
    ],
  ])('refuses %s', async (_what, change, name, status, message) => {
    const bedrock = await startForTest()
    const failure = clientFor(bedrock, transport).send(new ConverseCommand({ ...say('Hi.'), ...change }))
    await expect(failure).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status } })
    await expect(failure).rejects.toThrow(message)
    await bedrock.idle()
    expect(bedrock.counters().outcomes).toEqual({ [name]: 1 })
  })

  test('refuses a prompt of 10 MB as too long, and a body over 25 MB as too large', async () => {
    const bedrock = await startForTest()
    const client = clientFor(bedrock, transport)
    const long = client.send(new ConverseCommand(say('word '.repeat(2_000_000))))
    await expect(long).rejects.toMatchObject({
      name: 'ValidationException',
      message: 'Input is too long for requested model.',
    })
    const large = client.send(new ConverseCommand(say('word '.repeat(5_500_000))))
    await expect(large).rejects.toMatchObject({ $metadata: { httpStatusCode: 413 } })
    await expect(client.send(new ConverseCommand(say('Still there?')))).resolves.toBeTruthy()
  })
})

test('the SDK as it comes, with its own handler, opens a session for each request', async () => {
  const bedrock = await startForTest()
  const client = new BedrockRuntimeClient({
    endpoint: bedrock.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  for (let turn = 0; turn < 3; turn++) await client.send(new ConverseCommand(say('Hi.')))
  client.destroy()
  expect(bedrock.counters().connections).toMatchObject({ http1: 0, http2: 3 })
  await bedrock.until(({ connections }) => connections.open === 0)
})

test.each([
  ['no JSON', '{"messages":', 'converse', 'SerializationException'],
  ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'converse', 'SerializationException'],
  ['no object', '[]', 'converse', 'SerializationException'],
  ['no JSON', '{', 'invoke', 'ValidationException'],
  ['no UTF-8', Buffer.from([0xc3, 0x28]), 'invoke', 'ValidationException'],
  ['a body of another family', '{"prompt":"x"}', 'invoke', 'ValidationException'],
  ['no input', '{}', 'count-tokens', 'ValidationException'],
])('a body that is %s (%s) fails as %s with 400', async (_what, body, operation, name) => {
  const bedrock = await startForTest()
  const response = await fetch(`${bedrock.url}/model/${encodeURIComponent(MODEL)}/${operation}`, {
    method: 'POST',
    body,
  })
  expect(response.status).toBe(400)
  expect(response.headers.get('x-amzn-errortype')).toMatch(new RegExp(`^${name}:`))
  expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
  expect(await response.json()).toEqual({ message: expect.any(String) })
})

test.each([
  ['GET', '/model/amazon.nova-lite-v1:0/converse'],
  ['POST', '/model/amazon.nova-lite-v1:0/chat'],
  ['POST', '/model/converse'],
  ['POST', '/model/%E0%A4%A/converse'],
  ['POST', '/'],
])('%s %s is no operation', async (method, path) => {
  const bedrock = await startForTest()
  const response = await fetch(bedrock.url + path, { method })
  expect(response.status).toBe(404)
  expect(response.headers.get('x-amzn-errortype')).toMatch(/^UnknownOperationException/)
})

test('bytes that are neither protocol hurt nobody else', async () => {
  const bedrock = await startForTest()
  const socket = connect(bedrock.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.end(Buffer.from([0, 1, 2, 3, 0x0d, 0x0a, 0x0d, 0x0a]))
  await once(socket.resume(), 'close')
  await expect(clientFor(bedrock).send(new ConverseCommand(say('Hi.')))).resolves.toBeTruthy()
})

test('the account and the faults are there over HTTP too', async () => {
  const bedrock = await startForTest()
  const post = (path: string, body = '') => fetch(`${bedrock.url}/_sluice/${path}`, { method: 'POST', body })
  expect((await post('faults', JSON.stringify([{ fault: 'throttle', first: 1 }]))).status).toBe(200)
  const client = clientFor(bedrock)
  await expect(client.send(new ConverseCommand(say('Hi.')))).rejects.toMatchObject({
    name: 'ThrottlingException',
  })
  await client.send(new ConverseCommand(say('Hi.')))
  const get = async (path: string): Promise<unknown> => (await fetch(`${bedrock.url}/_sluice/${path}`)).json()
  expect(await get('counters')).toMatchObject({ requests: 2, outcomes: { throttled: 1, ok: 1 } })
  expect(await get('requests')).toMatchObject([{ fault: 'throttle', status: 429 }, { outcome: 'ok' }])
  await post('reset')
  expect(await get('counters')).toMatchObject({ requests: 0, models: {} })
  await expect(client.send(new ConverseCommand(say('Hi.')))).rejects.toMatchObject({
    name: 'ThrottlingException',
  })
  const refused = await post('faults', '[{"fault":"flood"}]')
  expect(refused.status).toBe(400)
  expect(await refused.json()).toEqual({ message: expect.stringContaining('there is no fault "flood"') })
  expect((await post('faults', '{')).status).toBe(400)
  expect((await post('faults', '{}')).status).toBe(400)
})

test('close() ends open streams and frees the port', async () => {
  const bedrock = await startBedrock({ latency: { firstTokenMs: 0, tokensPerSecond: 1, jitter: 0 } })
  const client = clientFor(bedrock)
  const answer = await client.send(new ConverseStreamCommand(say('One two three four five six.')))
  await bedrock.close()
  await readStream(answer)
  const again = await startBedrock({ port: bedrock.port })
  await again.close()
  await bedrock.idle()
})

test('main.ts tells its URL first and ends with its standard input', async () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, '{"latency":"none"}'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { url } = JSON.parse(String(line)) as { url: string }
  const answer = await clientFor({ url }).send(new ConverseCommand(say('Hi.')))
  expect(answer.stopReason).toBe('end_turn')
  child.stdin.end()
  expect(await once(child, 'exit')).toEqual([0, null])
})

test.each([
  [{ latency: { tokensPerSecond: 0 } }, 'latency.tokensPerSecond'],
  [{ faults: [{ fault: 'flood' }] }, 'there is no fault "flood"'],
  [{ quotas: [{ tokensPerMinute: -1 }] }, 'quotas[0].tokensPerMinute'],
])('options that cannot be used fail at once: %o', async (options, message) => {
  await expect(startBedrock(options as never)).rejects.toThrow(message)
})
