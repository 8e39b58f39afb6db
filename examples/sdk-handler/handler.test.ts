import { type FaultRule, startLocal } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'
import event from './event.json' with { type: 'json' }

async function start(file: string, faults: readonly FaultRule[] = []) {
  const local = await startLocal({
    bedrock: { latency: 'none', faults },
    functions: { classify: { handler: new URL(file, import.meta.url), timeoutMs: 15_000 } },
  })
  onTestFinished(local.close)
  return { classify: local.functions.classify, bedrock: local.bedrock }
}

const reset: FaultRule = { fault: 'cut', code: 'INTERNAL_ERROR', first: 1 }

test.for(['before.ts', 'after.ts'])('%s answers with one call', async (file) => {
  const { classify, bedrock } = await start(file)
  const { error, payload } = await classify.invoke(event)
  expect(error).toBeUndefined()
  expect(payload).toEqual({ intent: 'cash' })
  expect(bedrock.counters()).toMatchObject({ operations: { converse: 1 }, outcomes: { ok: 1 } })
})

test('the guarded client opens one connection for many calls, the bare SDK one for each', async () => {
  const connections: number[] = []
  for (const file of ['before.ts', 'after.ts']) {
    const { classify, bedrock } = await start(file)
    for (let call = 0; call < 4; call++) await classify.invoke(event)
    expect(bedrock.counters()).toMatchObject({ requests: 4, outcomes: { ok: 4 } })
    connections.push(bedrock.counters().connections.http2)
  }
  expect(connections).toEqual([4, 1])
})

test.for(['before.ts', 'after.ts'])('%s survives throttles and a failing service', async (file) => {
  const { classify, bedrock } = await start(file, [
    { fault: 'throttle', first: 1 },
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 },
  ])
  const { payload } = await classify.invoke(event)
  expect(payload).toEqual({ intent: 'cash' })
  expect(bedrock.counters().outcomes).toEqual({ throttled: 1, ServiceUnavailableException: 1, ok: 1 })
})

test('an answer that is reset on its way fails the bare SDK', async () => {
  const { classify, bedrock } = await start('before.ts', [reset])
  const { error } = await classify.invoke(event)
  expect(error?.errorMessage).toMatch(/NGHTTP2_INTERNAL_ERROR/)
  expect(bedrock.counters().outcomes).toEqual({ cut: 1 })
})

test('an answer that is reset on its way is asked for again by the guarded client', async () => {
  const { classify, bedrock } = await start('after.ts', [reset])
  const { payload } = await classify.invoke(event)
  expect(payload).toEqual({ intent: 'cash' })
  expect(bedrock.counters().outcomes).toEqual({ cut: 1, ok: 1 })
})

test('what cannot be retried comes back as the error that the SDK throws', async () => {
  const { classify, bedrock } = await start('after.ts')
  const { error } = await classify.invoke({ text: ' ' })
  expect(error).toMatchObject({
    errorType: 'ValidationException',
    errorMessage: expect.stringContaining('is blank'),
  })
  expect(bedrock.counters()).toMatchObject({ requests: 1, outputTokens: 0 })
})
