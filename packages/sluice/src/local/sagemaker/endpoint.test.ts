import { S3Client } from '@aws-sdk/client-s3'
import {
  CreateTransformJobCommand,
  DescribeTransformJobCommand,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker'
import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  type InvokeEndpointCommandInput,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keysUnder, readObject } from '../s3-objects.ts'
import { startLocal } from '../start-local.ts'
import { type LocalSageMaker, type SageMakerOptions, startSageMaker } from './endpoint.ts'

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }

function clientFor({ url }: Pick<LocalSageMaker, 'url'>): SageMakerRuntimeClient {
  const client = new SageMakerRuntimeClient({
    endpoint: url,
    region: 'us-east-1',
    credentials,
    maxAttempts: 1,
  })
  onTestFinished(() => client.destroy())
  return client
}

async function start(options: SageMakerOptions) {
  const local = await startSageMaker({ latency: 'none', ...options })
  onTestFinished(() => local.close())
  const client = clientFor(local)
  const body = (value: object) => Buffer.from(JSON.stringify(value))
  return {
    local,
    invoke: async (EndpointName: string, value: object, more: Partial<InvokeEndpointCommandInput> = {}) => {
      const output = await client.send(
        new InvokeEndpointCommand({ EndpointName, Body: body(value), ...more }),
      )
      return { ...output, text: output.Body.transformToString() }
    },
    stream: async (EndpointName: string, value: object) => {
      const command = new InvokeEndpointWithResponseStreamCommand({ EndpointName, Body: body(value) })
      const { Body = [], ContentType } = await client.send(command)
      const parts: Buffer[] = []
      for await (const { PayloadPart } of Body) parts.push(Buffer.from(PayloadPart?.Bytes ?? []))
      return { parts, text: Buffer.concat(parts).toString(), ContentType }
    },
  }
}

const messages = [{ role: 'user', content: 'The card never came. I have waited for two weeks.' }]

describe('containers', () => {
  test('chat: whole, streamed as events, and whole in a stream when nobody asked for events', async () => {
    const { local, invoke, stream } = await start({ endpoints: { chat: {} } })
    const whole = JSON.parse((await invoke('chat', { messages, max_tokens: 4 })).text)
    expect(whole.choices[0].finish_reason).toBe('length')
    const { text, ContentType } = await stream('chat', {
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    expect(ContentType).toBe('text/event-stream')
    expect(text).toMatch(/^data: \{.*"role":"assistant"/)
    expect(text).toContain('"usage":{"prompt_tokens"')
    expect(text).toMatch(/data: \[DONE\]\n\n$/)
    expect((await stream('chat', { messages, stream: true })).text).not.toContain('usage')
    const plain = JSON.parse((await stream('chat', { messages, max_tokens: 4 })).text)
    expect(plain.choices).toEqual(whole.choices)
    expect(local.counters()).toMatchObject({
      outcomes: { ok: 4 },
      operations: { invocations: 1, 'invocations-response-stream': 3 },
    })
  })

  test('text generation inference: details, an end that is said, and no prefill in streams', async () => {
    const { invoke, stream } = await start({ endpoints: { tgi: { container: 'tgi' } } })
    const ask = { inputs: 'The card never came. I waited.', parameters: { max_new_tokens: 3, details: true } }
    const [whole] = JSON.parse((await invoke('tgi', ask)).text)
    expect(whole.details).toMatchObject({ finish_reason: 'length', generated_tokens: 3 })
    const { text } = await stream('tgi', { ...ask, stream: true })
    const last = JSON.parse(text.trimEnd().split('\n\n').at(-1)?.slice('data:'.length) ?? '')
    expect(last).toMatchObject({
      generated_text: whole.generated_text,
      details: { input_length: whole.details.prefill.length },
    })
    const refused = stream('tgi', { ...ask, stream: true, parameters: { decoder_input_details: true } })
    await expect(refused).rejects.toMatchObject({ name: 'ModelError', OriginalStatusCode: 400 })
  })

  test('parts are as long as they are told to be, and what they cut is whole again together', async () => {
    for (const chunkBytes of [1, 7, 100_000]) {
      const { stream } = await start({
        endpoints: { own: { container: () => 'Grüße 🙂'.repeat(5), chunkBytes } },
      })
      const { parts, text } = await stream('own', {})
      expect(text).toBe('Grüße 🙂'.repeat(5))
      expect(parts.slice(0, -1).every(({ length }) => length === chunkBytes)).toBe(true)
    }
  })

  test('a function answers with a text, a type, a status, or throws', async () => {
    const { invoke } = await start({
      endpoints: {
        own: {
          container: ({ body, contentType, accept }) => {
            if (body.includes('throw')) throw new Error('boom')
            if (body.includes('busy')) return { status: 429, body: 'busy' }
            return { body: `${contentType}>${accept}`, contentType: 'text/plain' }
          },
        },
      },
    })
    const { text, ContentType, InvokedProductionVariant, CustomAttributes } = await invoke(
      'own',
      {},
      {
        ContentType: 'text/csv',
        Accept: 'text/x',
        CustomAttributes: 'trace=1',
      },
    )
    expect([text, ContentType, InvokedProductionVariant, CustomAttributes]).toEqual([
      'text/csv>text/x',
      'text/plain',
      'AllTraffic',
      'trace=1',
    ])
    await expect(invoke('own', { throw: 1 })).rejects.toMatchObject({
      name: 'ModelError',
      OriginalStatusCode: 500,
    })
    await expect(invoke('own', { busy: 1 })).rejects.toMatchObject({
      OriginalStatusCode: 429,
      OriginalMessage: 'busy',
    })
    await expect(invoke('own', {}, { TargetVariant: 'x' })).rejects.toMatchObject({ name: 'ValidationError' })
    await expect(invoke('nowhere', {})).rejects.toThrow(/Endpoint nowhere of account 0+ not found/)
  })

  test('components and target models are named, or refused', async () => {
    const { invoke } = await start({
      endpoints: {
        parts: { components: { a: () => 'a' }, variants: ['blue'] },
        many: { targetModels: { 'b.tar.gz': () => 'b' } },
        one: { container: () => 'one' },
      },
    })
    expect((await invoke('parts', {}, { InferenceComponentName: 'a' })).text).toBe('a')
    expect((await invoke('many', {}, { TargetModel: 'b.tar.gz' })).text).toBe('b')
    for (const wrong of [
      invoke('parts', {}),
      invoke('parts', {}, { InferenceComponentName: 'toString' }),
      invoke('many', {}, { TargetModel: 'c' }),
      invoke('one', {}, { InferenceComponentName: 'a' }),
    ]) {
      await expect(wrong).rejects.toMatchObject({ name: 'ValidationError' })
    }
  })

  test('streams break as they do on AWS', async () => {
    const { local, stream } = await start({
      endpoints: { own: { container: () => 'x'.repeat(30), chunkBytes: 10 } },
    })
    local.setFaults([
      {
        fault: 'streamException',
        name: 'ModelStreamError',
        errorCode: 'StreamBroken',
        afterEvents: 1,
        model: 'own',
      },
    ])
    await expect(stream('own', {})).rejects.toMatchObject({
      name: 'ModelStreamError',
      ErrorCode: 'StreamBroken',
    })
    local.setFaults([{ fault: 'truncate', afterEvents: 2 }])
    expect((await stream('own', {})).text).toHaveLength(20)
    local.setFaults([{ fault: 'slowStart', ms: 1 }])
    expect((await stream('own', {})).text).toHaveLength(30)
    expect(local.requests().map(({ outcome }) => outcome)).toEqual(['streamException', 'truncate', 'ok'])
  })
})

test('without a bucket there is nothing asynchronous; an endpoint is of one kind', async () => {
  const local = await startSageMaker({ endpoints: { later: { async: { output: 's3://a/' } }, now: {} } })
  onTestFinished(() => local.close())
  const client = clientFor(local)
  const Body = Buffer.from('{}')
  const refused = { $metadata: { httpStatusCode: 400 } }
  for (const EndpointName of ['later', 'now']) {
    const command = new InvokeEndpointAsyncCommand({ EndpointName, Body })
    await expect(client.send(command)).rejects.toMatchObject(refused)
  }
  const command = new InvokeEndpointCommand({ EndpointName: 'later', Body })
  await expect(client.send(command)).rejects.toMatchObject(refused)
})

test('functions are told of the ends of inferences and jobs, in the events of AWS', async () => {
  const local = await startLocal({
    bedrock: { latency: 'none' },
    functions: { told: { handler: new URL('../fixtures/told.ts', import.meta.url), timeoutMs: 10_000 } },
    buckets: { told: {}, tasks: {} },
    sagemaker: {
      endpoints: { later: { container: () => 'done', async: { output: 's3://tasks/', function: 'told' } } },
      models: { echo: ({ body }) => body },
      transformFunction: 'told',
    },
  })
  onTestFinished(() => local.close())
  const endpoint = local.environment.AWS_ENDPOINT_URL_SAGEMAKER as string
  const client = clientFor({ url: endpoint })
  const control = new SageMakerClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 })
  const s3 = new S3Client({
    endpoint: local.environment.AWS_ENDPOINT_URL_S3 as string,
    region: 'us-east-1',
    credentials,
  })
  onTestFinished(() => {
    control.destroy()
    s3.destroy()
  })
  const accepted = await client.send(
    new InvokeEndpointAsyncCommand({ EndpointName: 'later', Body: Buffer.from('{}'), Filename: 'mine' }),
  )
  expect(accepted.OutputLocation).toBe('s3://tasks/mine')
  await local.buckets.tasks.put('in/a', 'text')
  const job = {
    TransformJobName: 'one',
    ModelName: 'echo',
    TransformInput: {
      DataSource: { S3DataSource: { S3DataType: 'S3Prefix' as const, S3Uri: 's3://tasks/in/' } },
    },
    TransformOutput: { S3OutputPath: 's3://tasks/out' },
    TransformResources: { InstanceType: 'ml.m5.large' as const, InstanceCount: 1 },
    Tags: [{ Key: 'project', Value: 'x' }],
  }
  await control.send(new CreateTransformJobCommand(job))
  await expect(control.send(new CreateTransformJobCommand(job))).rejects.toMatchObject({
    name: 'ResourceInUse',
  })
  await local.sagemaker.settled()
  expect(await control.send(new DescribeTransformJobCommand({ TransformJobName: 'one' }))).toMatchObject({
    TransformJobStatus: 'Completed',
    CreationTime: expect.any(Date),
  })
  expect(await local.buckets.tasks.get('out/a.out')).toBe('text')
  expect(await local.buckets.tasks.get('mine')).toBe('done')
  const events: { source?: string; detail?: object; Records?: { Sns: { Message: string } }[] }[] = []
  for (const Key of await keysUnder(s3, { Bucket: 'told', Key: '' })) {
    events.push(JSON.parse(await readObject(s3, { Bucket: 'told', Key })))
  }
  const message = events.find(({ Records }) => Records)?.Records?.[0]?.Sns.Message ?? '{}'
  expect(JSON.parse(message)).toMatchObject({
    invocationStatus: 'Completed',
    responseParameters: { outputLocation: 's3://tasks/mine' },
  })
  const changes = events.filter(({ source }) => source === 'aws.sagemaker').map(({ detail }) => detail)
  expect(changes).toHaveLength(2)
  expect(changes).toContainEqual(
    expect.objectContaining({ TransformJobStatus: 'Completed', Tags: { project: 'x' } }),
  )
  await local.close()
})
