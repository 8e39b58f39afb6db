import { BedrockClient } from '@aws-sdk/client-bedrock'
import { S3Client } from '@aws-sdk/client-s3'
import { runInScope } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { startLocal } from 'sluice/local'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import type { BedrockPrompt } from '../bedrock/prompt.ts'
import {
  awaitBatchJob,
  type BatchJobOptions,
  type BatchRecord,
  type BatchResult,
  batchJobHandler,
  jobName,
  readBatchJob,
  submitBatchJob,
} from '../bedrock-batch.ts'
import { rejection } from '../fixtures/bench.ts'

const local = await startLocal({
  bedrock: { latency: 'none' },
  batch: { minimumRecords: 3 },
  buckets: { tasks: {} },
})
const settings = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
const client = new BedrockClient({ ...settings, endpoint: local.batch.url, maxAttempts: 1 })
const s3 = new S3Client({ ...settings, endpoint: local.environment.AWS_ENDPOINT_URL_S3 as string })
afterAll(async () => {
  client.destroy()
  s3.destroy()
  await local.close()
})
beforeEach(() => {
  local.bedrock.setFaults([])
  local.batch.setFaults([])
  local.batch.setJobFault(undefined)
})

const prompt = (text: string) => `Classify as one of: card, loan, other.\n\nText: ${text}`
const texts = [
  'My card never came.',
  'I want a loan for a house.',
  'The card was declined.',
  'A loan, please.',
]
const records: BatchRecord<BedrockPrompt>[] = texts.map((text, index) => ({
  recordId: `r${index}`,
  modelInput: {
    messages: [{ role: 'user', content: [{ text: prompt(text) }] }],
    inferenceConfig: { maxTokens: 9 },
  },
}))

let jobs = 0
const options = (more: Partial<BatchJobOptions> = {}): BatchJobOptions => ({
  client,
  s3,
  jobName: `job-${++jobs}`,
  modelId: 'eu.amazon.nova-lite-v1:0',
  roleArn: 'arn:aws:iam::123456789012:role/batch',
  records,
  minimumRecords: 3,
  input: 's3://tasks/records/',
  output: 's3://tasks/results',
  ...more,
})

async function run(more: Partial<BatchJobOptions> = {}) {
  const job = await submitBatchJob(options(more))
  await local.batch.settled()
  return job
}

async function resultsOf(jobArn: string, expected?: readonly string[]): Promise<BatchResult[]> {
  const results: BatchResult[] = []
  for await (const result of readBatchJob(jobArn, { client, s3, ...(expected && { expected }) }))
    results.push(result)
  return results
}

const ids = (results: readonly BatchResult[]) => results.map(({ recordId }) => recordId)

test('records go out and come back by their ids, whatever their order', async () => {
  const { jobArn, jobName, records: sent } = await run()
  expect(sent).toBe(4)
  const results = await resultsOf(jobArn)
  expect(ids(results)).not.toEqual(['r0', 'r1', 'r2', 'r3'])
  expect(
    Object.fromEntries(
      results.map((result) => [result.recordId, result.status === 'fulfilled' && result.answer?.text]),
    ),
  ).toEqual({
    r0: 'card',
    r1: 'loan',
    r2: 'card',
    r3: 'loan',
  })
  expect(results[0]).toMatchObject({
    answer: { stopReason: 'end_turn', usage: { outputTokens: expect.any(Number) } },
  })
  for (const result of results) {
    if (result.status === 'fulfilled') expect(result.usage).toEqual(result.answer?.usage)
  }
  expect(await awaitBatchJob(jobArn, { client })).toEqual({
    jobName,
    jobArn,
    modelId: 'eu.amazon.nova-lite-v1:0',
    status: 'Completed',
    failureReason: undefined,
  })
})

test('texts, system texts and bytes are prompts as for a model', async () => {
  const png = Buffer.from('iVBORw0KGgo=', 'base64')
  const { jobName } = await run({
    records: [
      { recordId: 'text', modelInput: prompt('card') },
      { recordId: 'system', modelInput: { system: 'Be brief.', messages: [] } },
      {
        recordId: 'image',
        modelInput: {
          messages: [{ role: 'user', content: [{ image: { format: 'png', source: { bytes: png } } }] }],
        },
      },
    ],
  })
  const lines = (await local.buckets.tasks.get(`records/${jobName}.jsonl`)).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line).modelInput)).toMatchObject([
    { messages: [{ role: 'user', content: [{ text: prompt('card') }] }] },
    { system: [{ text: 'Be brief.' }] },
    { messages: [{ content: [{ image: { source: { bytes: 'iVBORw0KGgo=' } } }] }] },
  ])
})

test('bodies of InvokeModel go out as they are, and outputs come back so', async () => {
  const modelInput = { prompt: prompt('My card'), max_gen_len: 5 }
  const { jobArn } = await run({
    kind: 'InvokeModel',
    modelId: 'meta.llama3-70b-instruct-v1:0',
    records: ['a', 'b', 'c'].map((recordId) => ({ recordId, modelInput })) as never,
  })
  const results = await resultsOf(jobArn)
  expect(results).toHaveLength(3)
  expect(results[0]).toMatchObject({ output: { generation: 'card' } })
  expect(results[0]).toHaveProperty('answer', undefined)
  expect(results[0]).toHaveProperty('usage.outputTokens', 1)
})

test('the same name is the same job, also when the token has been forgotten', async () => {
  const first = await run({ jobName: 'same' })
  expect(await run({ jobName: 'same' })).toEqual(first)
  local.batch.setFaults([
    { fault: 'error', name: 'ConflictException', status: 400, operation: 'CreateModelInvocationJob' },
  ])
  expect(await run({ jobName: 'same' })).toEqual(first)
  await expect(run({ jobName: 'same', modelId: 'eu.amazon.nova-pro-v1:0' })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('for another model'),
  })
  expect(jobName('a', 'b', 'c')).toBe(jobName('a', 'b', 'c'))
  expect(jobName('a', 'b', 'c')).not.toBe(jobName('a', 'bc'))
  expect(() => jobName('a b')).toThrow(TypeError)
})

test.each([
  ['too few', records.slice(0, 2), 'at least 3 records, and there are 2'],
  ['the same id twice', [...records, ...records.slice(1, 2)], 'Two records have the id "r1"'],
  ['no id', [{ recordId: '', modelInput: 'x' }], 'Record 0 has no recordId'],
  ['too many', [...records, { recordId: 'r4', modelInput: 'x' }], 'more than 4 records'],
] as const)('%s: refused before anything is written', async (_, wrong, message) => {
  const asked = options({ records: wrong, maximumRecords: 4 })
  await expect(submitBatchJob(asked)).rejects.toMatchObject({
    code: 'invalid_request',
    unbilled: true,
    message: expect.stringContaining(message),
  })
  await expect(local.buckets.tasks.get(`records/${asked.jobName}.jsonl`)).rejects.toThrow()
})

test('many records go out in parts, and none of them when one is wrong', async () => {
  const padding = 'x'.repeat(1_000_000)
  async function* many(wrong: boolean) {
    for (let index = 0; index < 20; index++)
      yield { recordId: `r${index}`, modelInput: `${index} ${padding}` }
    if (wrong) yield { recordId: 'r0', modelInput: 'again' }
  }
  const send = vi.spyOn(s3, 'send')
  const asked = options({ records: many(false) })
  await submitBatchJob(asked)
  const names = send.mock.calls.map(([command]) => command.constructor.name)
  expect(names).toEqual([
    'CreateMultipartUploadCommand',
    'UploadPartCommand',
    'UploadPartCommand',
    'UploadPartCommand',
    'CompleteMultipartUploadCommand',
  ])
  const written = await local.buckets.tasks.get(`records/${asked.jobName}.jsonl`)
  expect(
    written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).recordId),
  ).toEqual(Array.from({ length: 20 }, (_, index) => `r${index}`))
  send.mockClear()
  const wrong = options({ records: many(true) })
  await expect(submitBatchJob(wrong)).rejects.toMatchObject({ code: 'invalid_request' })
  expect(send.mock.calls.at(-1)?.[0].constructor.name).toBe('AbortMultipartUploadCommand')
  await expect(local.buckets.tasks.get(`records/${wrong.jobName}.jsonl`)).rejects.toThrow()
  send.mockRestore()
  await local.batch.settled()
})

test('a record that fails has the error of a direct call, without a word of the record', async () => {
  local.bedrock.setFaults([
    { fault: 'error', name: 'ValidationException', status: 400, message: 'secret: too long', first: 1 },
    { fault: 'error', name: 'InternalServerException', status: 500, message: 'secret' },
  ])
  const { jobArn } = await run()
  const results = await resultsOf(jobArn)
  const errors = results.map((result) => result.status === 'failed' && result.error)
  expect(errors.map((error) => error && [error.name, error.code, error.retryable])).toEqual(
    expect.arrayContaining([
      ['ModelError', 'invalid_request', false],
      ['ModelError', 'unavailable', true],
    ]),
  )
  expect(errors.map((error) => `${JSON.stringify(error)}${error ? error.message : ''}`).join()).not.toContain(
    'secret',
  )
})

test('records without a result are told, those of others are not, and none comes twice', async () => {
  local.batch.setJobFault({ status: 'PartiallyCompleted', afterRecords: 2 })
  const { jobArn } = await run()
  expect(ids(await resultsOf(jobArn))).toHaveLength(2)
  const results = await resultsOf(jobArn, ['r1', 'r2', 'r3'])
  expect(ids(results)).toEqual(['r1', 'r2', 'r3'])
  expect(results.slice(1)).toMatchObject([
    { status: 'failed', error: { code: 'unavailable', retryable: true } },
    { status: 'failed', error: { code: 'unavailable', retryable: true } },
  ])
  const id = jobArn.split('/').at(-1)
  const out = (await local.buckets.tasks.get(`results/${id}/job-${jobs}.jsonl.out`)).trimEnd()
  await local.buckets.tasks.put(`results/${id}/job-${jobs}.jsonl.out`, `${out}\n\n${out}\n`)
  expect(ids(await resultsOf(jobArn))).toHaveLength(2)
})

test('a line that is not JSON is told by its place', async () => {
  const { jobArn } = await run()
  const key = `results/${jobArn.split('/').at(-1)}/job-${jobs}.jsonl.out`
  await local.buckets.tasks.put(key, `${await local.buckets.tasks.get(key)}{"recordId": "secret`)
  await expect(resultsOf(jobArn)).rejects.toThrow(`Line 5 of s3://tasks/${key} is not JSON.`)
})

test('odd lines are records that failed', async () => {
  const { jobArn } = await run()
  const key = `results/${jobArn.split('/').at(-1)}/job-${jobs}.jsonl.out`
  await local.buckets.tasks.put(
    key,
    '{"recordId":"a"}\n{"recordId":"b","error":{}}\n{"recordId":"c","modelOutput":null}',
  )
  expect((await resultsOf(jobArn)).map(({ status }) => status)).toEqual(['failed', 'failed', 'failed'])
})

test('a job that fails says why; waiting for it knows its own end', async () => {
  const { jobArn } = await run({ minimumRecords: 1, records: records.slice(0, 1) })
  expect(await awaitBatchJob(jobArn, { client })).toMatchObject({
    status: 'Failed',
    failureReason: expect.stringContaining('1 records'),
  })
  const clock = fakeClock()
  await runInScope({ clock, deadlineMs: clock.now() + 5_000 }, async () => {
    local.batch.setFaults([{ fault: 'throttle', operation: 'GetModelInvocationJob' }])
    await expect(awaitBatchJob(jobArn, { client })).rejects.toMatchObject({ name: 'ModelThrottledError' })
  })
})

test('waiting goes on until shortly before the deadline, and no longer', async () => {
  local.bedrock.setFaults([{ fault: 'slowStart', ms: 600_000 }])
  const { jobArn } = await submitBatchJob(options())
  const clock = fakeClock()
  const startedAt = clock.now()
  const looks = () => local.batch.counters().operations.GetModelInvocationJob ?? 0
  const before = looks()
  await runInScope({ clock, deadlineMs: startedAt + 5_000 }, async () => {
    const waiting = rejection(awaitBatchJob(jobArn, { client }))
    for (const waitMs of [1_000, 1_500]) {
      await vi.waitFor(() => expect(clock.pending).toBe(1))
      await clock.advance(waitMs)
    }
    // A third look, 2.5 s after the first; a fourth one would be within the last second.
    expect(await waiting).toMatchObject({ code: 'deadline_exceeded', retryable: true })
  })
  expect([looks() - before, clock.now() - startedAt]).toEqual([3, 2_500])
})

test('the handler calls who is concerned, and refuses events of others', async () => {
  const seen: unknown[] = []
  const handler = batchJobHandler({
    completed: ({ status, jobArn }, context) => seen.push([status, jobArn, context]),
  })
  const event = (status: string, more: object = {}) => ({
    source: 'aws.bedrock',
    'detail-type': 'Batch Inference Job State Change',
    detail: { batchJobArn: 'arn', batchJobName: 'n', batchModelId: 'm', status, failureMessage: '', ...more },
  })
  for (const status of ['Submitted', 'InProgress', 'Completed', 'PartiallyCompleted']) {
    await handler(event(status), 'context')
  }
  expect(seen).toEqual([
    ['Completed', 'arn', 'context'],
    ['PartiallyCompleted', 'arn', 'context'],
  ])
  await expect(handler(event('Failed', { failureMessage: 'secret' }), {})).rejects.toMatchObject({
    code: 'model_failed',
  })
  // With a model as the documentation's own sample has it.
  const batchModelId = 'arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-sonnet-20240229-v1:0'
  const named = batchJobHandler({ completed: ({ modelId, failureReason }) => [modelId, failureReason] })
  expect(await named(event('Completed', { batchModelId }), {})).toEqual([batchModelId, undefined])
  const failures: unknown[] = []
  const own = batchJobHandler({
    completed() {},
    failed: ({ status, failureReason }) => failures.push([status, failureReason]),
  })
  await own(event('Expired', { failureMessage: 'why' }), {})
  expect(failures).toEqual([['Expired', 'why']])
  for (const wrong of [
    null,
    1,
    {},
    { ...event('Completed'), source: 'aws.sagemaker' },
    { ...event('Completed'), detail: null },
    event(''),
  ]) {
    await expect(handler(wrong, {})).rejects.toMatchObject({ name: 'InvalidEventError' })
  }
})

test.each([
  ['jobName', { jobName: 'a b' }],
  ['input', { input: 'tasks/records' }],
  ['output', { output: 's3:/tasks' }],
])('%s is checked before anything is sent', async (option, wrong) => {
  await expect(submitBatchJob(options(wrong))).rejects.toThrow(TypeError)
  await expect(submitBatchJob(options(wrong))).rejects.toThrow(option)
})
