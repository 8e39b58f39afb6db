/** The same tickets through Batch Transform: a model of your own, and machines that are there only while it runs. */
import { SageMakerClient } from '@aws-sdk/client-sagemaker'
import middy from '@middy/core'
import {
  jobName,
  readTransformJob,
  submitTransformJob,
  transformJobHandler,
} from '@sluice/model-invocation/sagemaker-batch'
import { bucket, s3, type Ticket, writeLabels } from './tickets.ts'

const client = new SageMakerClient({})

/** Sent twice for the same day, it is one job. */
export const submit = middy<{ day: string }>().handler(async ({ day }) => {
  const name = jobName('tickets', bucket, day)
  return submitTransformJob({
    client,
    jobName: name,
    modelName: process.env.MODEL_NAME ?? 'ticket-classifier',
    input: { prefix: `s3://${bucket}/inbox/${day}/` },
    output: `s3://${bucket}/transform/${name}/`,
    // Each label comes back beside its ticket.
    joinInput: true,
    instanceType: process.env.INSTANCE_TYPE ?? 'ml.m5.xlarge',
    tags: { day },
  })
})

interface Row extends Ticket {
  readonly SageMakerOutput: { readonly label: string }
}

/** Called by EventBridge. */
export const collect = middy(
  transformJobHandler({
    async completed({ jobName, output }) {
      const labelled = []
      for await (const { value } of readTransformJob<Row>(output, { s3 })) {
        labelled.push({ id: value.id, label: value.SageMakerOutput.label })
      }
      return writeLabels(jobName, labelled)
    },
  }),
)
