import {
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
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
