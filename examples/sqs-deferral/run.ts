/** Sends more than the quota carries, and shows where it went: `pnpm start`. */
import { letters, startCloud } from './cloud.ts'

const local = await startCloud()
const startedAt = performance.now()
await local.queues.letters.send(letters)
await local.queues.letters.settled()
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
const { requests, outcomes } = local.bedrock.counters()
console.log(`${letters.length} letters in ${seconds} s; the queue counted`, local.queues.letters.counters())
console.log('dead letters:', (await local.queues.letters.deadLetters()).length)
console.log('the endpoint counted', { requests, outcomes })
await local.close()
