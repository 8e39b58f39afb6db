/** What goes over the wire is what the SDK knows: nothing that the endpoint says is dropped or misread by the SDK. */

import {
  type BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  CountTokensCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { describe, expect, test } from 'vitest'
import { clientFor, MODEL, startForTest } from './testing.ts'

const guardrailConfig = { guardrailIdentifier: 'gr1', guardrailVersion: '1', trace: 'enabled' as const }
const ask = (text: string, rest: Partial<ConverseCommandInput> = {}): ConverseCommandInput => ({
  modelId: MODEL,
  messages: [{ role: 'user', content: [{ text }] }],
  ...rest,
})
const schema = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] }

const requests: readonly (readonly [name: string, input: ConverseCommandInput])[] = [
  ['a text', ask('Hello there.')],
  [
    'a tool',
    ask('Ada is 36 years old.', {
      toolConfig: {
        tools: [{ toolSpec: { name: 'save', inputSchema: { json: schema } } }],
        toolChoice: { tool: { name: 'save' } },
      },
    }),
  ],
  [
    'a cached prompt, a tier, a latency and a field of the model',
    ask('Hello there.', {
      system: [{ text: 'word '.repeat(1500) }, { cachePoint: { type: 'default', ttl: '1h' } }],
      serviceTier: { type: 'priority' },
      performanceConfig: { latency: 'optimized' },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
    }),
  ],
  ['a blocked prompt', ask('Bitcoin?', { guardrailConfig })],
  ['an answer that a guardrail let through', ask('Hello there.', { guardrailConfig })],
]

async function start() {
  const bedrock = await startForTest({ guardrails: { gr1: { blockedWords: ['bitcoin'] } } })
  return { bedrock, client: clientFor(bedrock) }
}

/** What the SDK sends for a command, sent again without it. */
async function raw(url: string, path: string, body: object): Promise<Buffer> {
  const response = await fetch(`${url}/model/${encodeURIComponent(MODEL)}/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

/** Where values are in a document. */
function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, `${path}.${key}`))
}

const without = ({ $metadata, ...rest }: object & { $metadata?: unknown }) => rest

describe.each(requests)('%s', (_name, { modelId, ...body }) => {
  test('whole', async () => {
    const { bedrock, client } = await start()
    const wire = JSON.parse(String(await raw(bedrock.url, 'converse', body))) as object
    bedrock.reset()
    const answer = without(await client.send(new ConverseCommand({ modelId, ...body })))
    expect(pathsOf(answer).sort()).toEqual(pathsOf(wire).sort())
  })

  test('streamed', async () => {
    const { bedrock, client } = await start()
    const frames = framesOf(await raw(bedrock.url, 'converse-stream', body))
    bedrock.reset()
    const events = await streamed(client, { modelId, ...body })
    expect(events.map((event) => pathsOf(event).sort())).toEqual(frames.map((frame) => pathsOf(frame).sort()))
  })
})

test('a count of tokens', async () => {
  const { bedrock, client } = await start()
  const { messages } = ask('Hello there.')
  const input = { converse: { messages } }
  const wire = JSON.parse(String(await raw(bedrock.url, 'count-tokens', { input }))) as object
  expect(without(await client.send(new CountTokensCommand({ modelId: MODEL, input })))).toEqual(wire)
})

async function streamed(client: BedrockRuntimeClient, input: ConverseCommandInput): Promise<object[]> {
  const { stream } = await client.send(new ConverseStreamCommand(input))
  const events: object[] = []
  for await (const event of stream!) events.push(event)
  return events
}

function framesOf(bytes: Buffer): object[] {
  const codec = new EventStreamCodec(
    (data) => Buffer.from(data as Uint8Array).toString('utf8'),
    (text) => Buffer.from(text),
  )
  const frames: object[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + bytes.readUInt32BE(at)
    const { headers, body } = codec.decode(bytes.subarray(at, end))
    // The padding is the one thing that the SDK is meant to drop.
    const { p, ...payload } = JSON.parse(Buffer.from(body).toString()) as { p: string }
    frames.push({ [String(headers[':event-type']?.value)]: payload })
    at = end
  }
  return frames
}
