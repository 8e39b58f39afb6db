/** Classifies the tickets of a day twice, by Bedrock and by a model of one's own: `pnpm start`. */
import { asLines, startCloud, tickets } from './cloud.ts'

const local = await startCloud(({ functionName, text }) => console.log(functionName, text))
const { submitToBedrock, submitToSageMaker } = local.functions
await local.buckets.tickets.put('inbox/2026-11-21/tickets.jsonl', asLines(tickets()))
for (const submit of [submitToBedrock, submitToSageMaker]) {
  const { payload } = await submit.invoke<{ jobName: string }>({ day: '2026-11-21' })
  console.log('submitted', payload)
  await Promise.all([local.batch.settled(), local.sagemaker.settled()])
  const labels = await local.buckets.tickets.get(`labels/${payload?.jobName}/labels.jsonl`)
  const lines = labels.trimEnd().split('\n')
  console.log(lines.length, 'labels, among them', lines.slice(0, 3))
}
await local.close()
