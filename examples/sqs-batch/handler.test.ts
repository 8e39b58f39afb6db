import { type FaultRule, startLocal } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'
import event from './event.json' with { type: 'json' }

async function start(faults: readonly FaultRule[] = [], visibilityTimeoutSeconds = 30) {
  const lines: string[] = []
  const local = await startLocal({
    bedrock: { latency: 'none', faults },
    functions: { consume: { handler: new URL('./handler.ts', import.meta.url), timeoutMs: 15_000 } },
    queues: {
      messages: {
        function: 'consume',
        reportBatchItemFailures: true,
        maximumConcurrency: 1,
        visibilityTimeoutSeconds,
        maxReceiveCount: 10,
      },
    },
    onLog: ({ text }) => lines.push(text),
  })
  onTestFinished(local.close)
  // Warm, so that no cold start outlasts the short visibility time-out.
  await local.functions.consume.invoke({ Records: [] })
  return { consume: local.functions.consume, queue: local.queues.messages, bedrock: local.bedrock, lines }
}

const messages = ['My card is lost.', 'Where is my refund?', 'The exchange rate is wrong.']

test('every message of a batch is one call', async () => {
  const { queue, bedrock, lines } = await start()
  await queue.send(messages)
  await queue.settled()
  expect(queue.counters()).toMatchObject({ records: 3, succeeded: 3, failed: 0 })
  expect(bedrock.counters()).toMatchObject({ operations: { converse: 3 }, outcomes: { ok: 3 } })
  const intents = lines.flatMap((line) => line.match(/"intent":"(.+)"/)?.[1] ?? [])
  expect(intents.toSorted()).toEqual(['card', 'exchange rate', 'refund'])
})

test('a poison record fails alone, and the log does not quote it', async () => {
  const { consume, bedrock } = await start()
  const { payload, logs } = await consume.invoke(event)
  const [good, poison] = event.Records
  expect(payload).toEqual({ batchItemFailures: [{ itemIdentifier: poison?.messageId }] })
  expect(bedrock.counters().outcomes).toEqual({ ok: 1, ValidationException: 1 })
  expect(logs.join('\n')).toContain(`{"record":"${poison?.messageId}","status":"failed","error":"ModelError"`)
  expect(logs.join('\n')).not.toContain(good?.body)
})

test('throttles, a failing service and an answer that is cut are survived within the event', async () => {
  const { queue, bedrock } = await start([
    { fault: 'throttle', first: 1 },
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 },
    { fault: 'cut', code: 'INTERNAL_ERROR', first: 1 },
  ])
  await queue.send(messages)
  await queue.settled()
  expect(queue.counters()).toMatchObject({ records: 3, succeeded: 3, failed: 0 })
  expect(bedrock.counters().outcomes).toEqual({ throttled: 1, ServiceUnavailableException: 1, cut: 1, ok: 3 })
})

test('a message that fails in one event succeeds in the next', async () => {
  const denied: FaultRule = { fault: 'error', name: 'AccessDeniedException', status: 403, first: 1 }
  const { queue, bedrock } = await start([denied], 3)
  await queue.send(messages)
  await queue.settled()
  expect(queue.counters()).toMatchObject({ records: 4, succeeded: 3, failed: 1 })
  expect(bedrock.counters().outcomes).toEqual({ AccessDeniedException: 1, ok: 3 })
  expect(await queue.deadLetters()).toEqual([])
})
