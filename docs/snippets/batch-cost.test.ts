/** The snippet that meters a job, against the local cloud. */

import { BedrockClient } from '@aws-sdk/client-bedrock'
import { S3Client } from '@aws-sdk/client-s3'
import { submitBatchJob } from '@sluice/model-invocation/bedrock-batch'
import { startLocal } from 'sluice/local'
import { expect, onTestFinished, test, vi } from 'vitest'

/** USD per million tokens of `us.amazon.nova-lite-v1:0`, from the public page; a batch costs half of it. */
const nova = { input: 0.06, output: 0.24 }

test('batch-cost.ts: a job costs half of what its records would have cost one by one', async () => {
  const local = await startLocal({
    bedrock: { latency: 'none' },
    batch: { minimumRecords: 3 },
    buckets: { tasks: {} },
  })
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await local.close()
  })
  for (const [name, value] of Object.entries({ ...local.environment, AWS_REGION: 'us-east-1' })) {
    vi.stubEnv(name, value)
  }
  local.bedrock.setFaults([{ fault: 'error', name: 'ValidationException', status: 400, first: 1 }])
  const modelId = 'us.amazon.nova-lite-v1:0'
  const { jobArn, jobName } = await submitBatchJob({
    client: new BedrockClient(),
    s3: new S3Client(),
    jobName: 'metered',
    modelId,
    roleArn: 'arn:aws:iam::123456789012:role/batch',
    records: ['a', 'b', 'c', 'd'].map((recordId) => ({ recordId, modelInput: `Summarise: ${recordId}` })),
    minimumRecords: 3,
    input: 's3://tasks/records/',
    output: 's3://tasks/results/',
  })
  await local.batch.settled()
  const { handler } = await import('./batch-cost.ts')
  const ended = (batchModelId: string) => ({
    source: 'aws.bedrock',
    'detail-type': 'Batch Inference Job State Change',
    detail: { batchJobName: jobName, batchJobArn: jobArn, batchModelId, status: 'Completed' },
  })
  const metered = (await handler(ended(modelId), {})) as { usd: string }
  expect(metered).toMatchObject({ jobName, answered: 3, unpriced: 0 })
  const written = await local.buckets.tasks.get(`results/${jobArn.split('/').at(-1)}/metered.jsonl.out`)
  const usd = written
    .trimEnd()
    .split('\n')
    .flatMap((line) => JSON.parse(line).modelOutput?.usage ?? [])
    .map(({ inputTokens, outputTokens }) => (inputTokens * nova.input + outputTokens * nova.output) / 2e6)
  expect(usd).toHaveLength(3)
  expect(Number(metered.usd)).toBeCloseTo(
    usd.reduce((sum, each) => sum + each, 0),
    12,
  )
  expect(Number(metered.usd)).toBeGreaterThan(0)
  // A model without a price is told, and is not free.
  expect(await handler(ended('own.model-v1:0'), {})).toMatchObject({ answered: 3, unpriced: 3, usd: '0' })
  // The service names the model by its ARN.
  expect(
    await handler(
      ended('arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0'),
      {},
    ),
  ).toEqual(metered)
})
