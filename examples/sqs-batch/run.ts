/** Runs the handler on this machine, as the consumer of a queue: `pnpm start`. */
import { startLocal } from 'sluice/local'
import event from './event.json' with { type: 'json' }

const local = await startLocal({
  functions: { consume: { handler: new URL('./handler.ts', import.meta.url), timeoutMs: 10_000 } },
  // AWS asks for six times the time-out; here it is short, so that the blank message is soon given up.
  queues: {
    messages: {
      function: 'consume',
      reportBatchItemFailures: true,
      maxReceiveCount: 1,
      visibilityTimeoutSeconds: 2,
    },
  },
  onLog: ({ text }) => console.log(text),
})
const { messages } = local.queues
await messages.send(event.Records.map(({ body }) => body))
await messages.settled()

const { requests, inputTokens, outputTokens } = local.bedrock.counters()
console.log('the queue counted', messages.counters(), 'dead letters:', (await messages.deadLetters()).length)
console.log('the endpoint counted', { requests, inputTokens, outputTokens })
await local.close()
