import { readFile } from 'node:fs/promises'
import { S3Client } from '@aws-sdk/client-s3'
import { SageMakerClient, StopTransformJobCommand } from '@aws-sdk/client-sagemaker'
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime'
import { runInScope } from '@sluice/core'
import { type ContainerAnswer, startLocal } from 'sluice/local'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { awaitInference, inferenceEndings, readInference, submitInference } from '../sagemaker-async.ts'
import {
  awaitTransformJob,
  readTransformJob,
  submitTransformJob,
  type TransformJobOptions,
  type TransformResult,
  transformJobHandler,
  transformManifest,
} from '../sagemaker-batch.ts'

const label = (text: string) => JSON.stringify({ label: text.includes('loan') ? 'loan' : 'card' })
let hold: Promise<void> = Promise.resolve()

const local = await startLocal({
  buckets: { tasks: {} },
  sagemaker: {
    latency: 'none',
    endpoints: {
      later: {
        async: { output: 's3://tasks/answers/', failures: 's3://tasks/failures/' },
        async container({ body, contentType }): Promise<ContainerAnswer> {
          await hold
          return body.includes('broken')
            ? { status: 500, body: 'secret' }
            : { body: `${contentType} ${body.length}` }
        },
      },
      now: {},
    },
    models: {
      labels: ({ body }) => {
        if (body.includes('poison')) throw new Error('cannot')
        return body
          .split('\n')
          .map((line) => label(line))
          .join('\n')
      },
      slow: async () => {
        await hold
        return '{}'
      },
    },
  },
})
const settings = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
const client = new SageMakerRuntimeClient({ ...settings, endpoint: local.sagemaker.url, maxAttempts: 1 })
const control = new SageMakerClient({ ...settings, endpoint: local.sagemaker.url, maxAttempts: 1 })
const s3 = new S3Client({ ...settings, endpoint: local.environment.AWS_ENDPOINT_URL_S3 as string })
const { tasks } = local.buckets
afterAll(async () => {
  for (const each of [client, control, s3]) each.destroy()
  await local.close()
})
beforeEach(() => {
  hold = Promise.resolve()
})

describe('asynchronous inference', () => {
  test('what fits is sent directly, and its answer waited for', async () => {
    const inference = await submitInference('later', '{"a":1}', { client, inferenceId: 'mine' })
    expect(inference).toEqual({
      inferenceId: 'mine',
      outputLocation: expect.stringMatching(/^s3:\/\/tasks\/answers\/.+\.out$/),
      failureLocation: expect.stringMatching(/^s3:\/\/tasks\/failures\/.+-error\.out$/),
    })
    expect(await awaitInference(inference, { s3, pollMs: 1 })).toBe('application/json 7')
  })

  test('what is longer goes by way of the bucket; exactly 128,000 bytes do not', async () => {
    const more = { client, s3, inputFolder: 's3://tasks/requests', contentType: 'text/plain' }
    const inline = await submitInference('later', 'x'.repeat(128_000), { ...more, inferenceId: 'inline' })
    const long = await submitInference('later', Buffer.from('ü'.repeat(64_001)), {
      ...more,
      inferenceId: 'long',
    })
    expect(await awaitInference(inline, { s3, pollMs: 1 })).toBe('text/plain 128000')
    expect(await awaitInference(long, { s3, pollMs: 1 })).toBe('text/plain 64001')
    expect(await tasks.get('requests/long')).toHaveLength(64_001)
    await expect(tasks.get('requests/inline')).rejects.toThrow()
    const there = await submitInference('later', { location: 's3://tasks/requests/long' }, { client })
    expect(await awaitInference(there, { s3, pollMs: 1 })).toBe('application/json 64001')
    const nowhere = submitInference('later', 'x'.repeat(128_001), { client })
    await expect(nowhere).rejects.toMatchObject({ code: 'payload_too_large', unbilled: true })
    await expect(submitInference('later', { location: 'requests/long' }, { client })).rejects.toThrow(
      TypeError,
    )
  })

  test('a container that failed has its reason in the bucket', async () => {
    const inference = await submitInference('later', '"broken"', { client })
    const error = await awaitInference(inference, { s3, pollMs: 1 }).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ name: 'ModelError', code: 'model_failed', retryable: false })
    expect((error as Error).message).not.toContain('secret')
  })

  test('until there is an answer there is none; an invocation that ends does not wait', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    hold = promise
    const inference = await submitInference('later', '{}', { client })
    expect(await readInference(inference, { s3 })).toBeUndefined()
    const wait = runInScope({ deadlineMs: Date.now() + 1_050 }, () =>
      awaitInference(inference, { s3, pollMs: 20 }),
    )
    await expect(wait).rejects.toMatchObject({ code: 'deadline_exceeded', retryable: true })
    const left = awaitInference(inference, { s3, signal: AbortSignal.abort() })
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    resolve()
    await local.sagemaker.settled()
    expect(await readInference(inference, { s3 })).toBe('application/json 2')
  })

  test('an endpoint of the other kind refuses, in our words', async () => {
    await expect(submitInference('now', '{}', { client })).rejects.toMatchObject({ code: 'invalid_request' })
    await expect(submitInference('none', '{}', { client })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('notifications are read, and nothing else is', () => {
    const event = (message: unknown) => ({
      Records: [{ Sns: { Message: typeof message === 'string' ? message : JSON.stringify(message) } }],
    })
    // As SageMaker tells it.
    const told = {
      awsRegion: 'us-east-1',
      eventTime: '2022-01-25T22:46:00.608Z',
      receivedTime: '2022-01-25T22:46:00.455Z',
      requestParameters: {
        contentType: 'text/csv',
        endpointName: 'later',
        inputLocation: 's3://tasks/a.csv',
        customAttributes: 'ticket=7',
      },
      responseParameters: { contentType: 'text/csv; charset=utf-8', outputLocation: 's3://tasks/a.out' },
      inferenceId: 'a',
      eventVersion: '1.0',
      eventSource: 'aws:sagemaker',
      eventName: 'InferenceResult',
    }
    expect(inferenceEndings(event({ ...told, invocationStatus: 'Completed' }))).toEqual([
      {
        inferenceId: 'a',
        endpointName: 'later',
        status: 'completed',
        outputLocation: 's3://tasks/a.out',
        failureLocation: undefined,
        failureReason: undefined,
        customAttributes: 'ticket=7',
      },
    ])
    const { responseParameters, ...request } = told
    const failed = {
      ...request,
      invocationStatus: 'Failed',
      failureReason: 'ClientError: Received server error',
    }
    expect(inferenceEndings(event(failed))).toEqual([
      {
        inferenceId: 'a',
        endpointName: 'later',
        status: 'failed',
        outputLocation: undefined,
        failureLocation: undefined,
        failureReason: 'ClientError: Received server error',
        customAttributes: 'ticket=7',
      },
    ])
    const bare = {
      inferenceId: 'a',
      invocationStatus: 'Failed',
      responseParameters: { failureLocation: 'f' },
    }
    expect(inferenceEndings(event(bare))).toMatchObject([
      { endpointName: '', failureLocation: 'f', failureReason: undefined, customAttributes: undefined },
    ])
    for (const odd of [
      null,
      {},
      { Records: 1 },
      { Records: [null] },
      event('no JSON'),
      event('null'),
      event({ ...told }),
      event({ ...told, invocationStatus: 'Odd' }),
      event({ invocationStatus: 'Completed' }),
    ]) {
      expect(() => inferenceEndings(odd)).toThrow(expect.objectContaining({ name: 'InvalidEventError' }))
    }
  })
})

describe('Batch Transform', () => {
  let jobs = 0
  const options = (more: Partial<TransformJobOptions> = {}): TransformJobOptions => ({
    client: control,
    jobName: `job-${++jobs}`,
    modelName: 'labels',
    input: { prefix: 's3://tasks/tickets/' },
    output: 's3://tasks/labels',
    instanceType: 'ml.m5.large',
    ...more,
  })
  const lines = (texts: readonly string[]) => texts.map((text) => `${JSON.stringify({ text })}\n`).join('')

  beforeEach(async () => {
    await tasks.put('tickets/a.jsonl', lines(['My card.', 'A loan, please.']))
    await tasks.put('tickets/sub/b.jsonl', lines(['Another loan.']))
  })

  async function run(more: Partial<TransformJobOptions> = {}) {
    const { jobName } = await submitTransformJob(options(more))
    return awaitTransformJob(jobName, { client: control, pollMs: 1 })
  }
  async function results(output: string): Promise<TransformResult[]> {
    const read: TransformResult[] = []
    for await (const result of readTransformJob(output, { s3 })) read.push(result)
    return read
  }

  test('every line of every object has its result, by name and number', async () => {
    const ended = await run({ output: 's3://tasks/labels-1/' })
    expect(ended).toEqual({
      jobName: `job-${jobs}`,
      status: 'Completed',
      modelName: 'labels',
      input: 's3://tasks/tickets/',
      output: 's3://tasks/labels-1/',
      failureReason: undefined,
    })
    expect(await results(ended.output)).toEqual([
      { name: 'a.jsonl', index: 0, value: { label: 'card' } },
      { name: 'a.jsonl', index: 1, value: { label: 'loan' } },
      { name: 'sub/b.jsonl', index: 0, value: { label: 'loan' } },
    ])
  })

  test('a manifest names what is read; inputs can stand beside results; lines can go one by one', async () => {
    await tasks.put('manifests/one.json', transformManifest('s3://tasks/tickets/', ['sub/b.jsonl']))
    const ended = await run({
      input: { manifest: 's3://tasks/manifests/one.json' },
      output: 's3://tasks/labels-2/',
      joinInput: true,
      strategy: 'SingleRecord',
    })
    expect(await results(ended.output)).toEqual([
      { name: 'b.jsonl', index: 0, value: { text: 'Another loan.', SageMakerOutput: { label: 'loan' } } },
    ])
    expect(() => transformManifest('tasks/tickets', [])).toThrow(TypeError)
  })

  test('the same name is the same job; another one under it is refused', async () => {
    const first = options()
    expect(await submitTransformJob(first)).toEqual({ jobName: first.jobName, created: true })
    expect(await submitTransformJob(first)).toEqual({ jobName: first.jobName, created: false })
    for (const other of [
      { modelName: 'slow' },
      { output: 's3://tasks/elsewhere' },
      { input: { prefix: 's3://tasks/other/' } },
    ]) {
      await expect(submitTransformJob({ ...first, ...other })).rejects.toMatchObject({
        code: 'invalid_request',
        statusCode: 409,
      })
    }
    await local.sagemaker.settled()
  })

  test('a job that fails or is stopped says so', async () => {
    await tasks.put('poison/a.jsonl', lines(['poison']))
    const failed = await run({ input: { prefix: 's3://tasks/poison/' } })
    expect(failed).toMatchObject({
      status: 'Failed',
      failureReason: expect.stringContaining('AlgorithmError'),
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    hold = promise
    const { jobName } = await submitTransformJob(options({ modelName: 'slow' }))
    await control.send(new StopTransformJobCommand({ TransformJobName: jobName }))
    resolve()
    expect(await awaitTransformJob(jobName, { client: control, pollMs: 1 })).toMatchObject({
      status: 'Stopped',
    })
    await expect(awaitTransformJob('none', { client: control })).rejects.toMatchObject({ name: 'ModelError' })
    await expect(submitTransformJob(options({ modelName: 'none' }))).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('a result that is not JSON is told by its place', async () => {
    await tasks.put('torn/a.jsonl.out', '{"label":"a"}\n{"secret')
    await expect(results('s3://tasks/torn/')).rejects.toThrow(
      'Line 2 of s3://tasks/torn/a.jsonl.out is not JSON.',
    )
  })

  test.each([
    ['jobName', { jobName: '-' }],
    ['input.prefix', { input: { prefix: 'tickets' } }],
    ['input.manifest', { input: { manifest: 'tickets' } }],
    ['output', { output: 'labels' }],
    ['within input.prefix', { output: 's3://tasks/tickets/labels/' }],
  ])('%s is checked before anything is sent', async (message, wrong) => {
    await expect(submitTransformJob(options(wrong))).rejects.toThrow(TypeError)
    await expect(submitTransformJob(options(wrong))).rejects.toThrow(message)
  })

  test('the handler is told of the end', async () => {
    const event = {
      source: 'aws.sagemaker',
      'detail-type': 'SageMaker Transform Job State Change',
      detail: {
        TransformJobName: 'j',
        TransformJobStatus: 'Completed',
        ModelName: 'm',
        TransformInput: { DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://tasks/in/' } } },
        TransformOutput: { S3OutputPath: 's3://tasks/out/' },
      },
    }
    const handler = transformJobHandler({ completed: (job) => job })
    expect(await handler(event, {})).toEqual({
      jobName: 'j',
      status: 'Completed',
      modelName: 'm',
      input: 's3://tasks/in/',
      output: 's3://tasks/out/',
      failureReason: undefined,
    })
    const { TransformOutput, ...without } = event.detail
    await expect(handler({ ...event, detail: without }, {})).rejects.toMatchObject({
      name: 'InvalidEventError',
    })
    // Where there are no results, nobody misses their place.
    const told = transformJobHandler({ completed: () => 'completed', failed: (job) => job })
    const withStatus = (TransformJobStatus: string) => ({
      ...event,
      detail: { ...without, TransformJobStatus, FailureReason: 'why' },
    })
    expect(await told(withStatus('InProgress'), {})).toBeUndefined()
    expect(await told(withStatus('Failed'), {})).toMatchObject({
      status: 'Failed',
      output: '',
      failureReason: 'why',
    })
  })
})

test('nobody who uses only endpoints needs the other clients', async () => {
  const imports = async (path: string): Promise<string[]> => {
    const source = await readFile(new URL(path, import.meta.url), 'utf8')
    const found = [...source.matchAll(/^(?:import|export) (?!type\b)[^'"]*? from '([^']+)'/gms)].map(
      ([, name]) => name as string,
    )
    const nested = found
      .filter((name) => name.startsWith('.'))
      .map((name) => imports(new URL(name, new URL(path, import.meta.url)).href))
    return [...found.filter((name) => name.startsWith('@aws-sdk/')), ...(await Promise.all(nested)).flat()]
  }
  const of = async (path: string) => [...new Set(await imports(path))].sort()
  expect(await of('../sagemaker.ts')).toEqual(['@aws-sdk/client-sagemaker-runtime'])
  expect(await of('../sagemaker-async.ts')).toEqual([
    '@aws-sdk/client-s3',
    '@aws-sdk/client-sagemaker-runtime',
  ])
  expect(await of('../sagemaker-batch.ts')).toEqual(['@aws-sdk/client-s3', '@aws-sdk/client-sagemaker'])
  expect(await of('../bedrock-batch.ts')).toEqual(['@aws-sdk/client-bedrock', '@aws-sdk/client-s3'])
})
