/** Runs the handler on this machine with good and bad requests: `pnpm start`. */
import { startLocal } from 'sluice/local'
import event from './event.json' with { type: 'json' }

const local = await startLocal({
  functions: { answer: { handler: new URL('./handler.ts', import.meta.url), timeoutMs: 10_000 } },
})
for (const body of [event.body, '{"text":"My card is lost."}', '{"text":""}', '{"text":']) {
  const { payload, error, durationMs } = await local.functions.answer.invoke({ ...event, body })
  console.log(body, '->', error ?? payload, `${Math.round(durationMs)} ms`)
}
const { requests, inputTokens, outputTokens } = local.bedrock.counters()
console.log('the endpoint counted', { requests, inputTokens, outputTokens })
await local.close()
