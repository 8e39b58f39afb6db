/** The tickets of a day through batch inference of Bedrock: one function submits, another one collects. */
import { BedrockClient } from '@aws-sdk/client-bedrock'
import middy from '@middy/core'
import {
  type BatchRecord,
  batchJobHandler,
  jobName,
  readBatchJob,
  submitBatchJob,
} from '@sluice/model-invocation/bedrock-batch'
import { bucket, labels, s3, type Ticket, ticketsOf, writeLabels } from './tickets.ts'

const client = new BedrockClient({})

const record = ({ id, text }: Ticket): BatchRecord => ({
  recordId: id,
  modelInput: {
    system: `Classify the text as one of: ${labels.join(', ')}. Answer with the label alone.`,
    messages: [{ role: 'user', content: [{ text }] }],
    inferenceConfig: { maxTokens: 5, temperature: 0 },
  },
})

/** Sent twice for the same day, it is one job. */
export const submit = middy<{ day: string }>().handler(async ({ day }) =>
  submitBatchJob({
    client,
    s3,
    jobName: jobName('tickets', bucket, day),
    modelId: process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0',
    roleArn: process.env.BATCH_ROLE_ARN ?? '',
    records: (await ticketsOf(day)).map(record),
    input: `s3://${bucket}/batch/records/`,
    output: `s3://${bucket}/batch/results/`,
    tags: { day },
  }),
)

/** Called by EventBridge. */
export const collect = middy(
  batchJobHandler({
    async completed({ jobArn, jobName }) {
      const labelled = []
      const failed = []
      for await (const result of readBatchJob(jobArn, { client, s3 })) {
        const { recordId: id } = result
        if (result.status === 'fulfilled') labelled.push({ id, label: result.answer?.text.trim() ?? '' })
        else failed.push({ id, code: result.error.code, retryable: result.error.retryable })
      }
      return writeLabels(jobName, labelled, failed)
    },
  }),
)
