import { execFile } from 'node:child_process'
import { Agent } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import { guarded } from '@sluice/model-invocation/bedrock'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import xray from 'aws-xray-sdk-core'
import { HttpProxyAgent } from 'hpagent'
import type { LocalBedrock } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import { startConnectProxy } from './connect-proxy.ts'
import { startHeaderRecorder } from './header-recorder.ts'
import { modelId, newClient, type Observed, observe, startEndpoint } from './testing.ts'
import { inInvocation, unavailable, type Way, ways } from './ways.ts'

let endpoint: LocalBedrock
let observed: Observed
beforeEach(async () => {
  endpoint = await startEndpoint()
  observed = observe()
})

describe.each(ways)('$operation', ({ call }) => {
  for (const order of ['before', 'after'] as const) {
    test(`X-Ray capture, put on ${order} the guards: one closed subsegment for each attempt`, async () => {
      endpoint.setFaults([unavailable])
      xray.enableManualMode()
      const segment = new xray.Segment('function')
      const bare = newClient(endpoint.url)
      const client =
        order === 'before'
          ? guarded(xray.captureAWSv3Client(bare, segment))
          : xray.captureAWSv3Client(guarded(bare), segment)
      expect(await inInvocation(() => call(client))).toMatch(/\w/)

      const subsegments = segment.subsegments ?? []
      expect(
        (subsegments as (xray.Subsegment & { fault?: boolean })[]).map(({ name, fault, in_progress }) => ({
          name,
          fault,
          in_progress,
        })),
      ).toEqual([
        { name: 'BedrockRuntime', fault: true, in_progress: undefined },
        { name: 'BedrockRuntime', fault: undefined, in_progress: undefined },
      ])
      expect(observed.attempts.map(({ status }) => status)).toEqual(['failed', 'answered'])
    })
  }

  test("a user's own middleware acts on every attempt, wherever it sits", async () => {
    endpoint.setFaults([unavailable])
    const recorder = await startHeaderRecorder(endpoint.url)
    const client = guarded(newClient(recorder.url))
    const addHeader = (args: { readonly request?: unknown }, name: string) => {
      Object.assign((args.request as { headers: object }).headers, { [name]: 'yes' })
    }
    client.middlewareStack.add(
      (next) => (args) => {
        addHeader(args, 'x-own-build')
        return next(args)
      },
      { step: 'build', name: 'own-build' },
    )
    client.middlewareStack.add(
      (next) => (args) => {
        addHeader(args, 'x-own-finalize')
        return next(args)
      },
      { step: 'finalizeRequest', name: 'own-finalize' },
    )
    client.middlewareStack.add(
      (next) => (args) =>
        next({ ...args, input: { ...args.input, requestMetadata: { own: 'yes' } } as never }),
      { step: 'initialize', name: 'own-initialize' },
    )
    expect(await inInvocation(() => call(client))).toMatch(/\w/)
    expect(recorder.requests).toHaveLength(2)
    for (const headers of recorder.requests) {
      expect(headers).toMatchObject({ 'x-own-build': 'yes', 'x-own-finalize': 'yes' })
    }
    expect(endpoint.requests().map(({ metadata }) => metadata)).toEqual([{ own: 'yes' }, { own: 'yes' }])
  })

  test("a user's own request handler is used as it is, with its agent and the agent's sockets", async () => {
    const httpAgent = new Agent({ keepAlive: true, maxSockets: 2 })
    let handled = 0
    let reconfigured = 0
    class OwnHandler extends NodeHttpHandler {
      override handle(...parameters: Parameters<NodeHttpHandler['handle']>) {
        handled++
        return super.handle(...parameters)
      }
      override updateHttpClientConfig() {
        reconfigured++
      }
    }
    const requestHandler = new OwnHandler({ httpAgent, requestTimeout: 12_345 })
    const client = guarded(newClient(endpoint.url, { requestHandler }))
    await inInvocation(async () => {
      for (let i = 0; i < 5; i++) await call(client)
    })
    expect(handled).toBe(5)
    expect(reconfigured).toBe(0)
    expect(requestHandler.httpHandlerConfigs()).toMatchObject({ requestTimeout: 12_345 })
    expect(client.config.requestHandler.metadata).toBe(requestHandler.metadata)
    expect(endpoint.counters().connections).toMatchObject({ http1: 1, http2: 0 })
    expect(Object.values(httpAgent.freeSockets).flat()).toHaveLength(1)
    httpAgent.destroy()
  })

  test('calls through a proxy, on a tunnel that is kept', async () => {
    const proxy = await startConnectProxy()
    const httpAgent = new HttpProxyAgent({ keepAlive: true, proxy: proxy.url })
    const client = guarded(newClient(endpoint.url, { requestHandler: new NodeHttpHandler({ httpAgent }) }))
    endpoint.setFaults([unavailable])
    await inInvocation(async () => {
      await call(client)
      await call(client)
    })
    expect(proxy.tunnels).toEqual([`127.0.0.1:${endpoint.port}`])
    expect(endpoint.counters()).toMatchObject({ requests: 3, outcomes: { ok: 2 } })
    httpAgent.destroy()
  })
})

test('OpenTelemetry, in a process of its own: one span for each SDK call, streams included', async () => {
  endpoint.setFaults([unavailable])
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [fileURLToPath(new URL('./fixtures/telemetry.ts', import.meta.url))],
    {
      env: {
        ...process.env,
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME: endpoint.url,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
      },
      timeout: 15_000,
    },
  )
  expect(stderr).toBe('')
  const { events, spans } = JSON.parse(stdout)
  expect(events).toBeGreaterThan(3)
  expect(spans).toEqual(
    Array.from({ length: 2 }, () => ({
      name: `chat ${modelId}`,
      status: { code: 0 },
      attributes: expect.objectContaining({
        'gen_ai.system': 'aws.bedrock',
        'gen_ai.request.model': modelId,
        'gen_ai.usage.input_tokens': expect.any(Number),
        'gen_ai.usage.output_tokens': expect.any(Number),
        'gen_ai.response.finish_reasons': ['end_turn'],
      }),
    })),
  )
  expect(endpoint.counters().requests).toBe(3)
})

test('a request handler that several clients share is not torn away from under a call', async () => {
  let nowMs = 1_000_000
  const requestHandler = new NodeHttp2Handler()
  const [busy, idle] = [1, 2].map(() =>
    guarded(newClient(endpoint.url, { requestHandler }), { now: () => nowMs }),
  ) as [BedrockRuntimeClient, BedrockRuntimeClient]
  await inInvocation(async () => {
    const [{ call }] = ways as [Way]
    await call(idle)
    endpoint.setFaults([{ fault: 'barrier', count: 2 }])
    const running = call(busy)
    await endpoint.until(({ open }) => open === 1)
    nowMs += 60_000
    expect(await Promise.all([running, call(idle)])).toEqual([expect.any(String), expect.any(String)])
  })
  expect(observed.attempts.map(({ status }) => status)).toEqual(['answered', 'answered', 'answered'])
})
