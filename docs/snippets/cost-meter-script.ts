import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { costMeter } from '@sluice/cost-meter'
import { bedrock } from '@sluice/model-invocation/bedrock'

const client = new BedrockRuntimeClient({})
const meter = costMeter()

await runInScope({ tenant: 'nightly' }, async (scope) => {
  const cost = meter.watch(scope)
  const model = bedrock('us.amazon.nova-lite-v1:0', { client, maxTokens: 50 }).bind(scope)
  await model.invoke('What is a sluice?')
  await cost.settled()
  console.log(`${cost.costUsd} USD for ${cost.usage.outputTokens} tokens`)
})
client.destroy()
