import {
  BedrockClient,
  CreateModelInvocationJobCommand,
  GetModelInvocationJobCommand,
  ListModelInvocationJobsCommand,
  StopModelInvocationJobCommand,
} from '@aws-sdk/client-bedrock'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { startLocal } from '../start-local.ts'

const local = await startLocal({
  bedrock: { latency: 'none' },
  batch: { minimumRecords: 2, maximumRecords: 3 },
  buckets: { tasks: {} },
})
const client = new BedrockClient({
  endpoint: local.environment.AWS_ENDPOINT_URL_BEDROCK as string,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  maxAttempts: 1,
})
const { tasks } = local.buckets
afterAll(async () => {
  client.destroy()
  await local.close()
})
beforeEach(() => {
  local.bedrock.setFaults([])
  local.batch.setJobFault(undefined)
})

const line = (recordId: string, text = 'Where is my card?') =>
  JSON.stringify({ recordId, modelInput: { messages: [{ role: 'user', content: [{ text }] }] } })

let jobs = 0
async function create(
  lines: readonly string[],
  more: { jobName?: string; clientRequestToken?: string } = {},
) {
  const jobName = more.jobName ?? `job-${++jobs}`
  await tasks.put(`in/${jobName}.jsonl`, lines.join('\n'))
  const { jobArn = '' } = await client.send(
    new CreateModelInvocationJobCommand({
      jobName,
      modelId: 'amazon.nova-lite-v1:0',
      roleArn: 'arn:aws:iam::123456789012:role/x',
      modelInvocationType: 'Converse',
      inputDataConfig: { s3InputDataConfig: { s3Uri: `s3://tasks/in/${jobName}.jsonl` } },
      outputDataConfig: { s3OutputDataConfig: { s3Uri: 's3://tasks/out/' } },
      ...more,
    }),
  )
  return { jobArn, jobName, out: `out/${jobArn.split('/').at(-1)}` }
}
const described = async (jobIdentifier: string) =>
  client.send(new GetModelInvocationJobCommand({ jobIdentifier }))

test('a job reads its records and writes answers, errors and a summary', async () => {
  local.bedrock.setFaults([
    { fault: 'error', name: 'ValidationException', status: 400, message: 'no', first: 1 },
  ])
  const { jobArn, jobName, out } = await create([line('a'), line('b'), line('c')])
  await local.batch.settled()
  expect(await described(jobArn)).toMatchObject({
    jobName,
    status: 'Completed',
    submitTime: expect.any(Date),
    totalRecordCount: 3,
    successRecordCount: 2,
    errorRecordCount: 1,
  })
  const lines = (await tasks.get(`${out}/${jobName}.jsonl.out`))
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each))
  expect(lines.map(({ recordId }) => recordId).sort()).toEqual(['a', 'b', 'c'])
  expect(lines.filter(({ error }) => error)).toEqual([
    expect.objectContaining({ error: { errorCode: 400, errorMessage: 'no' } }),
  ])
  expect(lines.find(({ modelOutput }) => modelOutput)).toMatchObject({
    modelOutput: { stopReason: 'end_turn' },
  })
  expect(JSON.parse(await tasks.get(`${out}/manifest.json.out`))).toMatchObject({ processedRecordCount: 3 })
})

test('throttles and failures of the service are tried again inside of the job', async () => {
  local.bedrock.setFaults([{ fault: 'throttle', first: 3 }])
  const { jobArn } = await create([line('a'), line('b')])
  await local.batch.settled()
  expect(await described(jobArn)).toMatchObject({ status: 'Completed', successRecordCount: 2 })
})

test.each([
  ['too few records', [line('a')]],
  ['too many', ['a', 'b', 'c', 'd'].map((id) => line(id))],
  ['no JSON', [line('a'), 'no JSON']],
])('%s: the job fails and says why', async (_, lines) => {
  const { jobArn } = await create(lines)
  await local.batch.settled()
  expect(await described(jobArn)).toMatchObject({ status: 'Failed', message: expect.stringMatching(/\w/) })
})

test('jobs end otherwise where that is wanted', async () => {
  local.batch.setJobFault({ status: 'PartiallyCompleted', afterRecords: 1, message: 'time is up' })
  const { jobArn, jobName, out } = await create([line('a'), line('b')])
  await local.batch.settled()
  expect(await described(jobArn)).toMatchObject({ status: 'PartiallyCompleted', message: 'time is up' })
  expect((await tasks.get(`${out}/${jobName}.jsonl.out`)).trimEnd().split('\n')).toHaveLength(1)
})

test('a token makes it once; a name is taken once; a job can be stopped', async () => {
  const lines = [line('a'), line('b')]
  const first = await create(lines, { jobName: 'twice', clientRequestToken: 'token' })
  expect((await create(lines, { jobName: 'twice', clientRequestToken: 'token' })).jobArn).toBe(first.jobArn)
  const other = create(lines, { jobName: 'twice', clientRequestToken: 'other' })
  await expect(other).rejects.toMatchObject({ name: 'ConflictException' })
  await local.batch.settled()
  const { invocationJobSummaries = [] } = await client.send(new ListModelInvocationJobsCommand({}))
  expect(invocationJobSummaries.filter(({ jobName }) => jobName === 'twice')).toHaveLength(1)
  local.bedrock.setFaults([{ fault: 'slowStart', ms: 600_000 }])
  const { jobArn } = await create(lines)
  await client.send(new StopModelInvocationJobCommand({ jobIdentifier: jobArn }))
  await local.batch.settled()
  expect(await described(jobArn)).toMatchObject({ status: 'Stopped' })
  await expect(described(`${jobArn.slice(0, -1)}z`)).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  })
})

test('requests meet faults by operation', async () => {
  local.batch.setFaults([{ fault: 'throttle', operation: 'CreateModelInvocationJob' }])
  await expect(create([line('a'), line('b')])).rejects.toMatchObject({ name: 'ThrottlingException' })
  local.batch.setFaults([])
  expect(local.batch.counters().outcomes).toMatchObject({ throttled: 1 })
})
