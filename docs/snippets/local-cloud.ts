import { startLocal } from 'sluice/local'

const local = await startLocal({
  functions: {
    summarise: { handler: new URL('./model-handler.ts', import.meta.url), timeoutMs: 10_000 },
  },
  onLog: ({ functionName, text }) => console.log(functionName, text),
})

const { payload, error, coldStart, durationMs } = await local.functions.summarise.invoke({
  text: 'My card was declined at the shop.',
})
console.log(payload ?? error, { coldStart, durationMs })
console.log(local.bedrock.counters())
await local.close()
