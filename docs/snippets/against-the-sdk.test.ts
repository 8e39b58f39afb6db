/** What a guard changes: every number of the page of this name, on the bare SDK and on a guarded client. */

import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'
import { type FaultRule, type LocalBedrock, startBedrock } from 'sluice/local'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const question = {
  modelId: 'eu.amazon.nova-lite-v1:0',
  messages: [
    { role: 'user' as const, content: [{ text: 'The card never came. I have waited for two weeks.' }] },
  ],
}

// One for each test: what the bare SDK leaves open stays open after its client is destroyed.
let endpoint: LocalBedrock
beforeEach(async () => {
  endpoint = await startBedrock({ latency: 'none' })
})
afterEach(() => endpoint.close())

type Kind = 'bare' | 'guarded'

/** Runs work with a client of its own; for a guarded one in a scope that retries without waiting. */
async function withClient<Result>(
  kind: Kind,
  work: (client: BedrockRuntimeClient) => Promise<Result>,
  requestTimeoutMs?: number,
): Promise<Result> {
  const client = new BedrockRuntimeClient({
    endpoint: endpoint.url,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    ...(requestTimeoutMs !== undefined && { requestHandler: { requestTimeout: requestTimeoutMs } }),
  })
  try {
    if (kind === 'bare') return await work(client)
    return await runInScope({ policies: [retry({ random: () => 0 })] }, () => work(guarded(client)))
  } finally {
    client.destroy()
  }
}

function ask(client: BedrockRuntimeClient): Promise<{ $metadata: { attempts?: number } }> {
  return client.send(new ConverseCommand(question))
}

/** Reads a stream, to its end or to its first content, and tells what became of it. */
async function read(client: BedrockRuntimeClient, until: 'end' | 'content' = 'end'): Promise<string> {
  try {
    const { stream = [] } = await client.send(new ConverseStreamCommand(question))
    let end = 'no end'
    for await (const { contentBlockDelta, messageStop } of stream) {
      if (messageStop) end = 'whole'
      if (contentBlockDelta && until === 'content') return 'left'
    }
    return end
  } catch (error) {
    return (error as Error).name
  }
}

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: Error) => error.name,
  )
}

const kinds = ['bare', 'guarded'] as const

describe('HTTP/2 sessions opened for four calls, one after the other', () => {
  test.each([
    ['bare', 4],
    ['guarded', 1],
  ] as const)('%s: %i', async (kind, sessions) => {
    await withClient(kind, async (client) => {
      for (let call = 0; call < 4; call++) await ask(client)
    })
    expect(endpoint.counters().connections.http2).toBe(sessions)
  })
})

describe('a stream that is cut after two pieces of text', () => {
  const cuts: Record<string, FaultRule> = {
    'ends as if it were whole': { fault: 'truncate', afterEvents: 3 },
    'is reset with CANCEL': { fault: 'cut', afterEvents: 3, code: 'CANCEL' },
    'is reset with NO_ERROR': { fault: 'cut', afterEvents: 3, code: 'NO_ERROR' },
  }
  for (const [name, fault] of Object.entries(cuts)) {
    test.each([
      ['bare', 'no end'],
      ['guarded', 'StreamInterruptedError'],
    ] as const)(`and ${name}, %s: %s`, async (kind, end) => {
      endpoint.setFaults([fault])
      expect(await withClient(kind, (client) => read(client))).toBe(end)
    })
  }
})

describe('generations still open at the endpoint after the reader has left', () => {
  test.each([
    ['bare', 1],
    ['guarded', 0],
  ] as const)('%s: %i', async (kind, open) => {
    endpoint.setFaults([{ fault: 'stall', afterEvents: 3, first: 1 }])
    await withClient(kind, async (client) => {
      expect(await read(client, 'content')).toBe('left')
      if (open === 0) await endpoint.idle()
      // A whole call later nothing that was on its way is still to come.
      await ask(client)
      expect(endpoint.counters().open).toBe(open)
    })
  })
})

describe('requests sent for one call that times out after 200 ms', () => {
  test.each([
    ['bare', 3],
    ['guarded', 1],
  ] as const)('%s: %i', async (kind, requests) => {
    endpoint.setFaults([{ fault: 'slowStart', ms: 60_000 }])
    expect(await withClient(kind, (client) => failure(ask(client)), 200)).toBe('TimeoutError')
    expect(endpoint.counters().requests).toBe(requests)
  })
})

describe('a throttle inside the stream, before any content', () => {
  test.each([
    ['bare', 'ThrottlingException', 1],
    ['guarded', 'whole', 2],
  ] as const)('%s: %s after %i requests', async (kind, end, requests) => {
    endpoint.setFaults([{ fault: 'streamException', name: 'throttlingException', afterEvents: 1, first: 1 }])
    expect(await withClient(kind, (client) => read(client))).toBe(end)
    expect(endpoint.counters().requests).toBe(requests)
  })
})

describe('requests sent when the tokens of the day are used up', () => {
  test.each([
    ['bare', 3],
    ['guarded', 1],
  ] as const)('%s: %i', async (kind, requests) => {
    endpoint.setFaults([{ fault: 'throttle', daily: true }])
    expect(await withClient(kind, (client) => failure(ask(client)))).toBe('ThrottlingException')
    expect(endpoint.counters().requests).toBe(requests)
  })
})

describe('attempts counted for a call whose first stream the server refused', () => {
  test.each([
    ['bare', 'refuse', 2],
    ['guarded', 'refuse', 1],
    ['bare', 'goaway', 2],
    ['guarded', 'goaway', 1],
  ] as const)('%s, %s: %i', async (kind, fault, attempts) => {
    endpoint.setFaults([{ fault, first: 1 }])
    const { $metadata } = await withClient(kind, ask)
    expect($metadata.attempts).toBe(attempts)
    expect(endpoint.counters().requests).toBe(2)
  })
})

test.each(kinds)('an event that no SDK knows is passed over, %s', async (kind) => {
  endpoint.setFaults([{ fault: 'unknownEvent', afterEvents: 2 }])
  expect(await withClient(kind, (client) => read(client))).toBe('whole')
})
