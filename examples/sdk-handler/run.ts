/** Runs both handlers on this machine: `pnpm start`. */
import { startLocal } from 'sluice/local'
import event from './event.json' with { type: 'json' }

const local = await startLocal({
  functions: {
    before: { handler: new URL('./before.ts', import.meta.url) },
    after: { handler: new URL('./after.ts', import.meta.url) },
  },
})
for (const { name, invoke } of Object.values(local.functions)) {
  const { payload, error, durationMs } = await invoke(event)
  console.log(name, error ?? payload, `${Math.round(durationMs)} ms`)
}
const { requests, inputTokens, outputTokens } = local.bedrock.counters()
console.log('the endpoint counted', { requests, inputTokens, outputTokens })
await local.close()
