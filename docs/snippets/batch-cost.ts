import { BedrockClient } from '@aws-sdk/client-bedrock'
import { S3Client } from '@aws-sdk/client-s3'
import { priceBook, priceOf, usdText } from '@sluice/cost-meter'
import { batchJobHandler, readBatchJob } from '@sluice/model-invocation/bedrock-batch'

const client = new BedrockClient()
const s3 = new S3Client()
const prices = priceBook()

export const handler = batchJobHandler({
  async completed({ jobArn, jobName, modelId }) {
    const catalogue = await prices.open(modelId)
    const region = jobArn.split(':')[3]
    let [answered, unpriced, picoUsd] = [0, 0, 0n]
    for await (const result of readBatchJob(jobArn, { client, s3 })) {
      if (result.status === 'failed') continue
      answered++
      const { usage } = result
      const price =
        usage &&
        priceOf({ provider: 'bedrock', modelId, region, usage, atMs: Date.now(), batch: true }, catalogue)
      if (price?.priced) picoUsd += BigInt(price.picoUsd)
      else unpriced++
    }
    return { jobName, answered, unpriced, usd: usdText(picoUsd) }
  },
})
