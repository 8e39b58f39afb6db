// A project that installed the packed packages; type-checked and run by check-packages.mjs.
import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { SluiceError } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { budget, costMeter } from '@sluice/cost-meter'
import { sqsBatch } from '@sluice/event-sources'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { memoryBudgetStore, memoryQuotaStore } from '@sluice/store'
import { timeoutGuard } from '@sluice/timeout-guard'
import { tokenStream } from '@sluice/token-stream'
import { startLocal } from 'sluice/local'

const local = await startLocal({
  bedrock: {
    latency: 'none',
    faults: [{ fault: 'error', name: 'InternalServerException', status: 500, first: 1 }],
  },
})
Object.assign(process.env, local.environment)
const client = guarded(new BedrockRuntimeClient({}))

const handler = middy<{ text: string }>()
  .use(timeoutGuard())
  .use(quotaThrottle({ quotas: { tokensPerMinute: 100_000 }, store: memoryQuotaStore() }))
  .use(costMeter({ sinks: [] }))
  .use(budget({ limits: [{ per: 'all', period: 'day', hardUsd: 1 }], store: memoryBudgetStore() }))
  .use(retry())
  .use(modelInvocation({ model: bedrock('us.amazon.nova-lite-v1:0', { maxTokens: 50, client }) }))
  .handler(async ({ text }, { model, cost, quota }) => {
    const answer = await model.invoke(text)
    // @ts-expect-error an answer has no such member
    answer.txt
    await cost.settled()
    if (!(Number(cost.costUsd) > 0) || quota.remaining === undefined) throw new Error('unexpected')
    return answer.text.length
  })

const context = { awsRequestId: 'consumer', getRemainingTimeInMillis: () => 10_000 }
const length = await handler({ text: 'The card is lost. Please send a new one.' }, context as never)
const { requests, outcomes } = local.bedrock.counters()
await local.close()
client.destroy()
if (!(length > 0 && requests === 2 && outcomes.ok === 1))
  throw new Error(`unexpected: ${length} ${JSON.stringify(outcomes)}`)
if (typeof tokenStream().after !== 'function' || typeof sqsBatch().handler !== 'function')
  throw new Error('unexpected')
if (fakeClock().pending !== 0 || SluiceError.is(new Error('no'))) throw new Error('unexpected')
console.log('The packed packages work in a project of their own.')
