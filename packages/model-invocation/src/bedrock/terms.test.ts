import {
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { expect, test } from 'vitest'
import { guarded } from '../bedrock.ts'
import { modelId, recordAttempts, startBench } from '../fixtures/bench.ts'
import { converse, converseStream } from './converse.ts'
import { requestOf } from './operation.ts'

const conversation = {
  modelId,
  messages: [{ role: 'user' as const, content: [{ text: 'Hello' }] }],
  serviceTier: { type: 'flex' as const },
  performanceConfig: { latency: 'optimized' as const },
}
const body = {
  modelId,
  body: JSON.stringify({
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 50,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
  }),
  serviceTier: 'flex' as const,
}

test('every operation tells the terms that an attempt was served on, and a guarded client whose it was', async () => {
  const attempts = recordAttempts()
  const { client: bare, endpoint } = await startBench()
  const client = guarded(bare)
  await runInScope({ tenant: 'acme', tags: { feature: 'triage' } }, async () => {
    await client.send(new ConverseCommand({ ...conversation, requestMetadata: { feature: 'own' } }))
    const { stream = [] } = await client.send(new ConverseStreamCommand(conversation))
    for await (const _ of stream);
    await client.send(new InvokeModelCommand(body))
    const { body: chunks = [] } = await client.send(new InvokeModelWithResponseStreamCommand(body))
    for await (const _ of chunks);
    await client.send(new ConverseCommand({ modelId, messages: conversation.messages }))
  })
  expect(attempts.map(({ operation, terms }) => [operation, terms])).toEqual([
    ['Converse', { serviceTier: 'flex', latency: 'optimized' }],
    ['ConverseStream', { serviceTier: 'flex', latency: 'optimized' }],
    ['InvokeModel', { serviceTier: 'flex' }],
    ['InvokeModelWithResponseStream', { serviceTier: 'flex' }],
    ['Converse', undefined],
  ])
  expect(endpoint.requests().map(({ metadata }) => metadata)).toEqual([
    { tenant: 'acme', feature: 'own' },
    { tenant: 'acme', feature: 'triage' },
    { tenant: 'acme', feature: 'triage' },
    { tenant: 'acme', feature: 'triage' },
    { tenant: 'acme', feature: 'triage' },
  ])
})

test('the tier that was served counts, not the one that was asked for; a router tells whom it asked', () => {
  const transport = { send: () => Promise.reject(), toError: () => new Error() } as never
  expect(requestOf(converse, conversation, transport).terms).toEqual({
    serviceTier: 'flex',
    latency: 'optimized',
  })
  const served = {
    serviceTier: { type: 'default' },
    trace: { promptRouter: { invokedModelId: 'amazon.nova-lite-v1:0' } },
  }
  const terms = { serviceTier: 'default', routedModelId: 'amazon.nova-lite-v1:0' }
  expect(converse.sent(served as never, {}).terms).toEqual(terms)
  const seen = { contentEvents: 1, outputBytes: 1, usage: undefined, stopReason: 'end_turn', complete: true }
  converseStream.sent({} as never, {}).read?.({ metadata: { usage: {}, ...served } }, seen)
  expect(seen).toMatchObject({ terms })
})
