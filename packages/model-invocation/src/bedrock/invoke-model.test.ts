import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  type BedrockRuntimeClient,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { type AttemptRecord, runInScope, type Seen } from '@sluice/core'
import { startBedrock } from 'sluice/local'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type GuardedOptions, guarded } from '../bedrock.ts'
import { newClient } from '../fixtures/bench.ts'
import { type FamilyBody, families } from '../fixtures/families.ts'
import { invokeModel, invokeModelStream } from './invoke-model.ts'

async function start(options?: GuardedOptions) {
  const endpoint = await startBedrock({
    latency: 'none',
    guardrails: { gr1: { blockedWords: ['card'] } },
  })
  const client = guarded(newClient(endpoint.url), options)
  const attempts: AttemptRecord[] = []
  const listener = (record: unknown) => {
    attempts.push(record as AttemptRecord)
  }
  subscribe('sluice:attempt', listener)
  onTestFinished(async () => {
    unsubscribe('sluice:attempt', listener)
    client.destroy()
    await endpoint.close()
  })
  return { endpoint, client, attempts }
}

const inputOf = ({ modelId, body }: Pick<FamilyBody, 'modelId' | 'body'>, more: object = {}) => ({
  modelId,
  contentType: 'application/json',
  body: JSON.stringify(body),
  ...more,
})

async function read(client: BedrockRuntimeClient, input: ReturnType<typeof inputOf>): Promise<void> {
  const { body = [] } = await client.send(new InvokeModelWithResponseStreamCommand(input))
  for await (const _ of body);
}

describe.each(families)('$name', (family) => {
  test.each(['whole', 'streamed'] as const)('%s: usage, maximum and why it stopped', async (how) => {
    const { endpoint, client, attempts } = await start()
    const input = inputOf(family)
    await runInScope({}, async () => {
      if (how === 'whole') await client.send(new InvokeModelCommand(input))
      else await read(client, input)
    })
    const { inputTokens, outputTokens } = endpoint.counters()
    expect(attempts).toEqual([
      expect.objectContaining({
        status: 'answered',
        estimated: false,
        maxTokens: 50,
        streaming: how === 'streamed',
        stopReason: expect.stringMatching(/^(end_turn|stop|COMPLETE|FINISH)$/),
        usage: expect.objectContaining({ inputTokens, outputTokens }),
      }),
    ])
  })

  test.each(['whole', 'streamed'] as const)('%s: what was cut is called so', async (how) => {
    const { client, attempts } = await start()
    const body = JSON.parse(JSON.stringify(family.body).replace(':50', ':2')) as object
    const input = inputOf({ modelId: family.modelId, body })
    await runInScope({}, async () => {
      if (how === 'whole') await client.send(new InvokeModelCommand(input))
      else await read(client, input)
    })
    expect(attempts).toMatchObject([{ status: 'answered', stopReason: 'max_tokens', maxTokens: 2 }])
  })

  test.each(['whole', 'streamed'] as const)('%s: what a guardrail did is seen', async (how) => {
    const { client, attempts } = await start()
    const input = inputOf(family, { guardrailIdentifier: 'gr1', guardrailVersion: '1' })
    await runInScope({}, async () => {
      if (how === 'whole') await client.send(new InvokeModelCommand(input))
      else await read(client, input)
    })
    expect(attempts).toMatchObject([{ status: 'answered', stopReason: 'guardrail_intervened' }])
  })
})

/** Runs chunks through the reader as core does. */
function seenOf(...chunks: readonly object[]): Seen {
  const { read } = invokeModelStream.sent({} as never, {})
  const seen: Seen = {
    contentEvents: 0,
    outputBytes: 0,
    usage: undefined,
    stopReason: undefined,
    complete: false,
  }
  for (const chunk of chunks) read?.({ chunk: { bytes: Buffer.from(JSON.stringify(chunk)) } }, seen)
  return seen
}

describe('chunks as other models send them', () => {
  const chat = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason }],
  })

  test('heads are not content', () => {
    for (const head of [
      chat({ role: 'assistant', content: '' }),
      { type: 'ping' },
      { event_type: 'stream-start', is_finished: false },
      { generation: '', prompt_token_count: 9, generation_token_count: 0, stop_reason: null },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ]) {
      expect(seenOf(head)).toMatchObject({ contentEvents: 0, complete: false })
    }
  })

  test('reasoning is content', () => {
    expect(seenOf(chat({ content: '', reasoning_content: 'Hm' })).contentEvents).toBe(1)
  })

  test('an answer without metrics is whole when its family says so', () => {
    for (const last of [
      chat({}, 'stop'),
      { type: 'message_stop' },
      { messageStop: { stopReason: 'end_turn' } },
      { event_type: 'stream-end', is_finished: true },
      { outputs: [{ text: '', stop_reason: 'stop' }] },
    ]) {
      expect(seenOf(chat({ content: 'Hi' }), last)).toMatchObject({ contentEvents: 1, complete: true })
    }
  })

  test('a text that talks about ends does not end', () => {
    for (const content of ['{"stop_reason":"stop"}', '"is_finished":true', 'Say "message_stop" now']) {
      expect(seenOf(chat({ content }))).toMatchObject({ contentEvents: 1, complete: false })
    }
  })
})

test('a whole answer that was quoted does not tell why the answer ended', () => {
  const body = Buffer.from(
    JSON.stringify({
      content: [{ type: 'tool_use', input: { stop_reason: 'max_tokens' } }, { text: '"stop_reason":"x"' }],
      stop_reason: 'tool_use',
    }),
  )
  expect(invokeModel.sent({ body } as never, {}).stopReason).toBe('tool_use')
})

describe('describe', () => {
  const input = inputOf({
    modelId: 'us.deepseek.r1-v1:0',
    body: { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 7 },
  })

  test('overrules what is found in the body, and leaves what it does not tell', async () => {
    const { client, attempts } = await start({ describe: () => ({ inputBytes: 5 }) })
    await runInScope({}, () => client.send(new InvokeModelCommand(input)))
    expect(attempts).toMatchObject([{ inputBytes: 5, maxTokens: 7, modelId: input.modelId }])
  })

  test('is given the input of the command, whole and streamed, and may know nothing', async () => {
    const asked: unknown[] = []
    const { client, attempts } = await start({
      describe(input) {
        asked.push(input.body)
        return undefined
      },
    })
    await runInScope({}, async () => {
      await client.send(new InvokeModelCommand(input))
      await read(client, input)
    })
    expect(asked).toEqual([input.body, input.body])
    expect(attempts).toMatchObject([{ maxTokens: 7 }, { maxTokens: 7 }])
  })
})
