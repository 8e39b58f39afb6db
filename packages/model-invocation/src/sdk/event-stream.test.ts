import { Readable } from 'node:stream'
import {
  BedrockRuntimeClient,
  ConverseStreamCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { guarded } from '../bedrock.ts'

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text),
)

type Header = { type: 'string'; value: string } | { type: 'integer'; value: number }

function frame(headers: Record<string, Header>, payload: unknown): Buffer {
  const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  return Buffer.from(codec.encode({ headers, body }))
}

function eventFrame(type: string, payload: unknown, more: Record<string, Header> = {}): Buffer {
  return frame(
    {
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: 'event' },
      ...more,
    },
    payload,
  )
}

const text = fc.string({ unit: 'binary', maxLength: 40 })
const padding = fc.option(fc.string({ maxLength: 20 }), { nil: undefined })

const delta = fc.oneof(
  { weight: 5, arbitrary: fc.record({ text }) },
  fc.record({ text, other: fc.string() }),
  fc.record({ toolUse: fc.record({ input: text }) }),
  fc.record({ reasoningContent: fc.record({ text }) }),
  fc.record({ reasoningContent: fc.record({ redactedContent: fc.constant('aGVsbG8=') }) }),
  fc.constant({ text: 7 }),
)

const frames = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ contentBlockIndex: fc.nat(3), delta, p: padding })
      .map((payload) => eventFrame('contentBlockDelta', payload)),
  },
  fc.record({ delta }).map((payload) => eventFrame('contentBlockDelta', payload)),
  fc
    .record({ role: fc.constant('assistant'), p: padding })
    .map((payload) => eventFrame('messageStart', payload)),
  fc.constant(
    eventFrame('contentBlockStart', {
      contentBlockIndex: 1,
      start: { toolUse: { toolUseId: 'a', name: 'b' } },
    }),
  ),
  fc.constant(eventFrame('contentBlockStop', { contentBlockIndex: 0 })),
  fc.constant(eventFrame('messageStop', { stopReason: 'end_turn' })),
  fc
    .record({ inputTokens: fc.nat(), outputTokens: fc.nat(), totalTokens: fc.nat(), unknown: fc.nat() })
    .map((usage) => eventFrame('metadata', { usage, metrics: { latencyMs: 5 } })),
  fc.constant(eventFrame('newKindOfEvent', { a: 1 })),
  fc.constant(
    eventFrame(
      'contentBlockDelta',
      { contentBlockIndex: 0, delta: { text: 'x' } },
      { ':n': { type: 'integer', value: 5 } },
    ),
  ),
)

const endings = fc.oneof(
  { weight: 5, arbitrary: fc.constant(Buffer.alloc(0)) },
  fc.constant(
    frame(
      {
        ':message-type': { type: 'string', value: 'exception' },
        ':exception-type': { type: 'string', value: 'throttlingException' },
        ':content-type': { type: 'string', value: 'application/json' },
      },
      { message: 'slow down' },
    ),
  ),
  fc.constant(
    frame(
      {
        ':message-type': { type: 'string', value: 'exception' },
        ':exception-type': { type: 'string', value: 'somethingElse' },
      },
      { message: 'odd' },
    ),
  ),
  fc.constant(
    frame(
      {
        ':message-type': { type: 'string', value: 'error' },
        ':error-code': { type: 'string', value: 'Code' },
        ':error-message': { type: 'string', value: 'words' },
      },
      {},
    ),
  ),
  fc.constant(
    eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'cut' } }).subarray(0, 30),
  ),
  fc.constant(
    corrupted(eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'corrupt' } })),
  ),
  fc.constant(eventFrame('contentBlockDelta', '{"not json')),
)

function corrupted(good: Buffer): Buffer {
  const bad = Buffer.from(good)
  bad[bad.length - 8] = (bad[bad.length - 8] as number) ^ 1
  return bad
}

/** The bytes in pieces of the given sizes, over and over. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    cut.push(bytes.subarray(at, at + size))
    at += size
  }
  return cut
}

function clientOf(chunks: readonly Buffer[]): BedrockRuntimeClient {
  return new BedrockRuntimeClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    requestHandler: {
      metadata: { handlerProtocol: 'http/1.1' },
      handle: async () => ({
        response: {
          statusCode: 200,
          headers: { 'content-type': 'application/vnd.amazon.eventstream' },
          body: Readable.from(chunks, { objectMode: false }),
        },
      }),
      updateHttpClientConfig: () => {},
      httpHandlerConfigs: () => ({}),
    } as never,
  })
}

interface Seen {
  readonly events: unknown[]
  readonly error: { name: string; message: string } | undefined
}

const ways = {
  ConverseStream: async (client: BedrockRuntimeClient) =>
    (await client.send(new ConverseStreamCommand({ modelId: 'm', messages: [] }))).stream,
  InvokeModelWithResponseStream: async (client: BedrockRuntimeClient) =>
    (await client.send(new InvokeModelWithResponseStreamCommand({ modelId: 'm', body: '{}' }))).body,
}

async function seen(read: () => Promise<AsyncIterable<unknown> | undefined>): Promise<Seen> {
  const events: unknown[] = []
  try {
    for await (const event of (await read()) ?? []) events.push(event)
    return { events, error: undefined }
  } catch (thrown) {
    // Ours says that the stream broke; the SDK's own error is its cause's cause, or the error itself before content.
    let error = thrown as Error
    while (error.cause instanceof Error) error = error.cause
    return { events, error: { name: error.name, message: error.message } }
  }
}

test('every ConverseStream is decoded as the SDK decodes it, however its bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(frames, { maxLength: 12 }),
      endings,
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
      async (list, ending, sizes) => {
        const chunks = pieces(Buffer.concat([...list, ending]), sizes)
        const theirs = await seen(() => ways.ConverseStream(clientOf(chunks)))
        const ours = await runInScope({}, () => seen(() => ways.ConverseStream(guarded(clientOf(chunks)))))
        const whole = theirs.events.some((event) => 'messageStop' in (event as object))
        if (ours.error?.name === 'StreamInterruptedError') {
          // A stream without its last word is an error of ours alone.
          expect([theirs.error, whole]).toEqual([undefined, false])
        } else if (ours.error) {
          expect(ours.error.name).toBe(theirs.error?.name)
          // To an error of the very first event the SDK adds a hint about raw responses.
          expect(theirs.error?.message.startsWith(ours.error.message)).toBe(true)
        } else {
          // What fails after the last word has not failed the answer.
          expect(theirs.error === undefined || whole).toBe(true)
        }
        if (ours.events.length > 0 || !ours.error) expect(ours.events).toEqual(theirs.events)
      },
    ),
    { numRuns: 300 },
  )
})

test('every chunk of InvokeModelWithResponseStream is decoded as the SDK decodes it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 4 }),
      async (list, sizes) => {
        const last = Buffer.from(
          '{"amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":2}}',
        )
        const bytes = [...list, last].map((chunk) =>
          eventFrame('chunk', { bytes: Buffer.from(chunk).toString('base64'), p: 'abc' }),
        )
        const chunks = pieces(Buffer.concat(bytes), sizes)
        const theirs = await seen(() => ways.InvokeModelWithResponseStream(clientOf(chunks)))
        const ours = await runInScope({}, () =>
          seen(() => ways.InvokeModelWithResponseStream(guarded(clientOf(chunks)))),
        )
        expect(ours).toEqual(theirs)
      },
    ),
    { numRuns: 100 },
  )
})
