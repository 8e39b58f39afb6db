/** The snippets of event sources run as functions of the local cloud. */

import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, expect, test } from 'vitest'

const at = (name: string) => new URL(`./${name}`, import.meta.url)

let local: Local<'queue' | 'stream', 'orders', never>
const lines: string[] = []
beforeAll(async () => {
  local = await startLocal({
    bedrock: { latency: 'none' },
    functions: {
      queue: { handler: at('event-sources-queue.ts'), timeoutMs: 10_000 },
      stream: { handler: at('event-sources-stream.ts'), timeoutMs: 10_000 },
    },
    queues: {
      orders: {
        function: 'queue',
        reportBatchItemFailures: true,
        visibilityTimeoutSeconds: 2,
        maxReceiveCount: 1,
      },
    },
    onLog: ({ text }) => lines.push(text),
  })
})
afterAll(() => local.close())

test('event-sources-queue.ts: what fits is worked on, what does not fails alone', async () => {
  const { orders } = local.queues
  await orders.send([JSON.stringify({ id: 'a', text: 'Two lamps, please.' }), '{"id":"b"}'])
  await orders.settled()
  expect((await orders.deadLetters()).map(({ body }) => body)).toEqual(['{"id":"b"}'])
  expect(lines.filter((line) => line.includes('"order":"a"'))).toHaveLength(1)
  expect(lines.join('\n')).toContain('It does not fit its schema at: text.')
})

test('event-sources-stream.ts: from the first record that is not done on all comes again', async () => {
  const record = (sequenceNumber: string, data: string) => ({
    kinesis: { sequenceNumber, partitionKey: 'p', data: Buffer.from(data).toString('base64') },
  })
  const { payload } = await local.functions.stream.invoke({
    Records: [record('1', '{"sensor":"a"}'), record('2', 'broken'), record('3', '{"sensor":"b"}')],
  })
  expect(payload).toEqual({ batchItemFailures: [{ itemIdentifier: '2' }, { itemIdentifier: '3' }] })
})
