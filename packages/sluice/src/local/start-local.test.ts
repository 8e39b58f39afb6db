import { afterEach, expect, test } from 'vitest'
import { type Local, type LogLine, startLocal } from './index.ts'

const open: Local<never, never, never>[] = []
afterEach(async () => {
  for (const local of open.splice(0)) await local.close()
})

const handler = new URL('./fixtures/sqs.ts', import.meta.url)

test('messages go from the queue through the function, failures to the dead letters', async () => {
  const lines: LogLine[] = []
  const local = await startLocal({
    functions: { consume: { handler } },
    queues: {
      tickets: {
        function: 'consume',
        reportBatchItemFailures: true,
        visibilityTimeoutSeconds: 1,
        maxReceiveCount: 2,
      },
    },
    onLog: (line) => lines.push(line),
  })
  open.push(local)
  await local.queues.tickets.send(['one', 'fail', 'three'])
  await local.queues.tickets.settled()
  expect(await local.queues.tickets.deadLetters()).toEqual([
    { messageId: expect.any(String), body: 'fail', receiveCount: 3 },
  ])
  expect(local.queues.tickets.counters()).toMatchObject({ succeeded: 2, failed: 2, failedEvents: 0 })
  console.log(lines.map((l) => l.text))
})
