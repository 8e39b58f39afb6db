import { S3Client } from '@aws-sdk/client-s3'
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime'
import middy from '@middy/core'
import { chat } from '@sluice/model-invocation/sagemaker'
import { inferenceEndings, readInference, submitInference } from '@sluice/model-invocation/sagemaker-async'

const client = new SageMakerRuntimeClient({})
const s3 = new S3Client({})

/** Asks, and is done. */
export const ask = middy<{ id: string; text: string }>().handler(async ({ id, text }) => {
  const body = JSON.stringify({ messages: [{ role: 'user', content: text }], max_tokens: 500 })
  return submitInference('summaries', body, {
    client,
    s3,
    inferenceId: id,
    inputFolder: 's3://tasks/requests/',
  })
})

/** Called by the topics of the endpoint. */
export const collect = middy<unknown>().handler(async (event) => {
  for (const { inferenceId, outputLocation, failureLocation } of inferenceEndings(event)) {
    if (outputLocation === undefined) console.log(inferenceId, 'failed; see', failureLocation)
    else {
      const body = await readInference({ outputLocation, failureLocation }, { s3 })
      if (body !== undefined) console.log(inferenceId, chat().read(body).text)
    }
  }
})
