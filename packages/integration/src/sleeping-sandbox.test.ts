import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'
import { NodeHttp2Handler } from '@smithy/node-http-handler'
import { type LocalBedrock, type LocalFunction, startLocal } from 'sluice/local'
import { beforeEach, describe, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { asking, closers, modelId, newClient, type Observed, observe, startEndpoint } from './testing.ts'

describe('a real sandbox, stopped between its invocations', () => {
  let proxy: TcpProxy
  let sleeper: LocalFunction
  beforeEach(async () => {
    const endpoint = await startEndpoint()
    proxy = await startTcpProxy(endpoint.port)
    const local = await startLocal({
      functions: {
        sleeper: {
          handler: new URL('./fixtures/sleeping.ts', import.meta.url),
          concurrency: 1,
          timeoutMs: 8_000,
          environment: { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: proxy.url },
        },
      },
    })
    closers.push(() => local.close())
    sleeper = local.functions.sleeper
    // The first invocation opens the session that will have slept.
    expect(await sleeper.invoke({})).toMatchObject({ coldStart: true, payload: { attempts: 1 } })
    const [sandbox] = sleeper.sandboxes()
    expect(sandbox?.state).toBe('frozen')
    if (process.platform === 'linux') {
      await expect.poll(() => readFileSync(`/proc/${sandbox?.pid}/stat`, 'utf8')).toMatch(/\) T /)
    }
  })

  const answered = { coldStart: false, error: undefined, payload: { attempts: 1 } }

  test('a session whose connection died in its sleep is not trusted: the next call opens another', async () => {
    proxy.swallow()
    expect(await sleeper.invoke({ sleptMs: 60_000 })).toMatchObject(answered)
    expect(proxy.connections).toBe(2)
    expect(await sleeper.invoke({})).toMatchObject(answered)
    expect(proxy.connections).toBe(2)
  })

  test('after a short sleep the session goes on', async () => {
    expect(await sleeper.invoke({ sleptMs: 10_000 })).toMatchObject(answered)
    expect(proxy.connections).toBe(1)
  })

  test('a connection that was reset in its sleep costs an attempt at most', async () => {
    proxy.reset()
    const { error, payload } = await sleeper.invoke<{ attempts: number }>({})
    expect(error).toBeUndefined()
    expect(payload?.attempts).toBeLessThanOrEqual(2)
    expect(proxy.connections).toBe(2)
  })

  test('a session that died unnoticed costs one invocation, not all that follow', async () => {
    proxy.swallow()
    expect((await sleeper.invoke({})).error).toMatchObject({ errorType: 'TimeoutError' })
    expect(await sleeper.invoke({})).toMatchObject(answered)
    expect(proxy.connections).toBe(2)
  })
})

describe('a session', () => {
  let endpoint: LocalBedrock
  let proxy: TcpProxy
  let client: BedrockRuntimeClient
  let observed: Observed
  let nowMs: number
  beforeEach(async () => {
    endpoint = await startEndpoint()
    proxy = await startTcpProxy(endpoint.port)
    nowMs = 1_000_000
    closed = []
    const requestHandler = new WatchedHandler()
    client = guarded(newClient(proxy.url, { requestHandler }), { now: () => nowMs })
    observed = observe()
  })

  /** Settle when the HTTP/2 streams of the answers so far have closed, a little after the answers. */
  let closed: Promise<unknown>[]
  class WatchedHandler extends NodeHttp2Handler {
    override async handle(...parameters: Parameters<NodeHttp2Handler['handle']>) {
      const sent = await super.handle(...parameters)
      closed.push(once(sent.response.body, 'close'))
      return sent
    }
  }

  const converse = async () => {
    await client.send(new ConverseCommand(asking('Where is my card?')))
  }
  const converseStream = async () => {
    const { stream = [] } = await client.send(new ConverseStreamCommand(asking('Where is my card?')))
    for await (const _ of stream);
  }
  const inInvocation = <Result>(work: () => Promise<Result>) =>
    runInScope({ policies: [retry({ random: () => 0 })] }, work)
  const statuses = () => observed.attempts.map(({ status }) => status)

  for (const [name, call] of Object.entries({ converse, converseStream })) {
    test(`carries many calls at once (${name})`, async () => {
      endpoint.setFaults([{ fault: 'barrier', count: 50 }])
      await inInvocation(() => Promise.all(Array.from({ length: 50 }, call)))
      expect(endpoint.counters()).toMatchObject({ maxOpen: 50, connections: { http2: 1 } })
      expect(statuses()).toEqual(Array.from({ length: 50 }, () => 'answered'))
    })

    test(`that slept is replaced, unless a call is open on it (${name})`, async () => {
      await inInvocation(async () => {
        await call()
        await Promise.all(closed)
        nowMs += 31_000
        await call()
        await Promise.all(closed)
        expect(proxy.connections).toBe(2)
        endpoint.setFaults([{ fault: 'barrier', count: 2 }])
        const open = call()
        await endpoint.until(({ open }) => open === 1)
        nowMs += 31_000
        await Promise.all([open, call()])
        expect(proxy.connections).toBe(2)
      })
      expect(statuses()).toEqual(Array.from({ length: 4 }, () => 'answered'))
    })

    test(`that dies under its calls ends each of them once, and they are made again (${name})`, async () => {
      endpoint.setFaults([{ fault: 'stall', first: 10 }])
      await inInvocation(async () => {
        const calls = Array.from({ length: 10 }, call)
        await endpoint.until(({ open }) => open === 10)
        proxy.reset()
        await Promise.all(calls)
      })
      expect(statuses().toSorted()).toEqual([
        ...Array.from({ length: 10 }, () => 'answered'),
        ...Array.from({ length: 10 }, () => 'failed'),
      ])
      expect(observed.calls.map(({ attempts }) => attempts)).toEqual(Array.from({ length: 10 }, () => 2))
      expect(endpoint.counters().requests).toBe(20)
    })

    test(`that is closed by the service refuses what came too late, which is sent again (${name})`, async () => {
      endpoint.setFaults([{ fault: 'goaway', skip: 3, first: 1 }])
      await inInvocation(async () => {
        await call()
        await Promise.all(Array.from({ length: 8 }, call))
      })
      // Nothing failed and nothing was counted twice.
      expect(statuses()).toEqual(Array.from({ length: 9 }, () => 'answered'))
      expect(observed.attempts.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 9 }, () => 1))
      expect(endpoint.counters().outcomes).toMatchObject({ goaway: 1, ok: 9 })
    })

    test(`that takes no more calls finishes those it has; the next one opens another (${name})`, async () => {
      endpoint.setFaults([{ fault: 'goaway', processed: true, first: 1 }])
      await inInvocation(async () => {
        await call()
        await call()
        await call()
      })
      expect(statuses()).toEqual(['answered', 'answered', 'answered'])
      expect(endpoint.counters()).toMatchObject({ requests: 3, connections: { http2: 2 } })
    })

    test(`that refuses everything is not asked for ever (${name})`, async () => {
      endpoint.setFaults([{ fault: 'refuse' }])
      const error = await inInvocation(call).catch((thrown: Error) => thrown)
      expect(error).toBeInstanceOf(Error)
      expect(statuses()).toEqual(['failed', 'failed', 'failed'])
      // Each attempt and the three times that it was sent again; none of them is billed.
      expect(endpoint.counters().requests).toBe(12)
      expect(observed.attempts.every(({ usage, estimated }) => usage.inputTokens === 0 && !estimated)).toBe(
        true,
      )
    })
  }

  test('that dies in the middle of streams ends each of them once, as interrupted', async () => {
    endpoint.setFaults([{ fault: 'stall', afterEvents: 4 }])
    let reading = 0
    const read = async () => {
      const { stream = [] } = await client.send(new ConverseStreamCommand(asking('Where is my card?')))
      // The promise is resolved with the first content: when all have it, the session dies.
      if (++reading === 10) proxy.reset()
      for await (const _ of stream);
    }
    const results = await inInvocation(() => Promise.allSettled(Array.from({ length: 10 }, read)))
    expect(results).toMatchObject(
      Array.from({ length: 10 }, () => ({
        status: 'rejected',
        reason: { name: 'StreamInterruptedError', partial: true },
      })),
    )
    expect(observed.attempts).toMatchObject(
      Array.from({ length: 10 }, () => ({ status: 'failed', partial: true, estimated: true })),
    )
    expect(observed.calls).toHaveLength(10)
    await endpoint.idle()
  })

  test('is shared with the calls that no policy surrounds, and they keep it awake', async () => {
    await inInvocation(converse)
    await Promise.all(closed)
    nowMs += 20_000
    const input = { converse: { messages: asking('Where is my card?').messages } }
    await client.send(new CountTokensCommand({ modelId, input }))
    await Promise.all(closed)
    nowMs += 20_000
    await inInvocation(converse)
    expect(proxy.connections).toBe(1)
  })
})
