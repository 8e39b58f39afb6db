import { afterAll, beforeEach, expect, test } from 'vitest'
import { asLines, startCloud, tickets } from './cloud.ts'

const local = await startCloud()
const { submitToBedrock, submitToSageMaker, collectFromBedrock } = local.functions
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.batch.setJobFault(undefined)
})

const expected = new Map(
  tickets().map(({ id }, at) => [id, ['card', 'loan', 'other'][at % 3] as string] as const),
)

interface Row {
  readonly id: string
  readonly label?: string
  readonly code?: string
  readonly retryable?: boolean
}

let days = 0
async function classify(submit: typeof submitToBedrock, rows = tickets()) {
  const day = `2026-11-${++days}`
  await local.buckets.tickets.put(`inbox/${day}/tickets.jsonl`, asLines(rows))
  const submitted = await submit.invoke<{ jobName: string }>({ day })
  await Promise.all([local.batch.settled(), local.sagemaker.settled()])
  const read = async (name: string): Promise<Row[]> => {
    const text = await local.buckets.tickets.get(`labels/${submitted.payload?.jobName}/${name}.jsonl`)
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  return { day, submitted, read }
}

test.each([
  ['Bedrock', submitToBedrock],
  ['SageMaker', submitToSageMaker],
])('%s: every ticket has its label', async (_, submit) => {
  const { read } = await classify(submit)
  expect(new Map((await read('labels')).map(({ id, label }) => [id, label]))).toEqual(expected)
  await expect(read('failed')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test.each([
  ['Bedrock', submitToBedrock],
  ['SageMaker', submitToSageMaker],
])('%s: a day that is submitted twice is one job', async (_, submit) => {
  const { day, submitted } = await classify(submit)
  const again = await submit.invoke<{ jobName: string }>({ day })
  expect(again.error).toBeUndefined()
  expect(again.payload?.jobName).toBe(submitted.payload?.jobName)
})

test('a ticket that fails is told with its reason, and the others have their labels', async () => {
  local.bedrock.setFaults([{ fault: 'error', name: 'ValidationException', status: 400, first: 2 }])
  const { read } = await classify(submitToBedrock)
  expect(await read('labels')).toHaveLength(118)
  expect((await read('failed')).map(({ code, retryable }) => [code, retryable])).toEqual([
    ['invalid_request', false],
    ['invalid_request', false],
  ])
})

test('too few tickets for a job are refused before anything is sent', async () => {
  const before = local.batch.counters().requests
  const { submitted } = await classify(submitToBedrock, tickets(20))
  expect(submitted.error).toMatchObject({
    errorType: 'SluiceError',
    errorMessage: expect.stringContaining('at least 100 records, and there are 20'),
  })
  expect(local.batch.counters().requests).toBe(before)
})

test('a job that fails fails its event, so that somebody is told', async () => {
  const event = {
    source: 'aws.bedrock',
    'detail-type': 'Batch Inference Job State Change',
    detail: { batchJobArn: 'arn', status: 'Failed' },
  }
  expect((await collectFromBedrock.invoke(event)).error?.errorType).toBe('SluiceError')
})
