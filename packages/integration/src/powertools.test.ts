import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type FaultRule, startLocal } from 'sluice/local'
import { describe, expect, test } from 'vitest'
import type { PowertoolsAnswer, PowertoolsEvent, Seen } from './fixtures/powertools.ts'
import { closers } from './testing.ts'

interface Segment {
  readonly id: string
  readonly name: string
}

/** What listens where X-Ray's daemon would. */
async function startDaemon() {
  const socket = createSocket('udp4')
  const segments: Segment[] = []
  socket.on('message', (message) => {
    segments.push(JSON.parse(message.toString().split('\n', 2)[1] ?? ''))
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closers.push(() => {
    socket.close()
  })
  return { address: `127.0.0.1:${socket.address().port}`, segments }
}

async function start(order: string, faults: readonly FaultRule[] = []) {
  const daemon = await startDaemon()
  const local = await startLocal({
    bedrock: { latency: 'none', faults },
    functions: {
      it: {
        handler: new URL('./fixtures/powertools.ts', import.meta.url),
        timeoutMs: 15_000,
        concurrency: 1,
        environment: { ORDER: order, AWS_XRAY_DAEMON_ADDRESS: daemon.address },
      },
    },
  })
  closers.push(() => local.close())
  const { it } = local.functions
  return {
    segments: daemon.segments,
    bedrock: local.bedrock,
    async send(event: PowertoolsEvent) {
      const { payload, error, logs, requestId } = await it.invoke<PowertoolsAnswer>(event)
      const lines = logs.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
      return {
        answer: payload,
        error,
        requestId,
        logged: lines.filter((line) => line.message === 'answered'),
        metrics: lines.filter((line) => line._aws),
      }
    },
    async scopes() {
      return (await it.invoke<Seen>({ id: '', text: '', inspect: true })).payload?.scopes
    },
  }
}

const unavailable: FaultRule = { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 }
const text = 'My card is lost. Please send me a new one.'

describe.each(['ours first', 'theirs first'])('Powertools, %s', (order) => {
  test('logger, metrics, tracer and idempotency work as they do alone, and so do we', async () => {
    const { send, scopes, bedrock, segments } = await start(order, [unavailable])
    const { answer, requestId, logged, metrics } = await send({ id: 'one', text })
    const { outputTokens } = bedrock.counters()

    expect(answer).toEqual({ text: expect.stringMatching(/card/), requestIds: [requestId, requestId] })
    expect(bedrock.counters().outcomes).toEqual({ ServiceUnavailableException: 1, ok: 1 })
    expect(await scopes()).toEqual([{ requestId, ended: true }])
    expect(logged).toMatchObject([
      { function_request_id: requestId, stopReason: 'end_turn', cold_start: true },
    ])
    expect(metrics).toEqual([
      {
        _aws: {
          Timestamp: expect.any(Number),
          CloudWatchMetrics: [
            {
              Namespace: 'Interplay',
              Dimensions: [['service']],
              Metrics: [{ Name: 'OutputTokens', Unit: 'Count' }],
            },
          ],
        },
        service: 'interplay',
        OutputTokens: outputTokens,
      },
    ])
    // One subsegment of the handler, and in it one for each attempt of the client.
    await expect.poll(() => segments.length).toBe(3)
    const [refused, answered, handler] = segments
    expect(handler).toMatchObject({ name: '## index.handler', annotations: { Service: 'interplay' } })
    expect(refused).toMatchObject({ name: 'BedrockRuntime', parent_id: handler?.id, fault: true })
    expect(answered).toMatchObject({ name: 'BedrockRuntime', parent_id: handler?.id })
    expect(answered).not.toHaveProperty('fault')
  })

  test('a repeated event is answered from the record: no call, no metric, and no scope that stays open', async () => {
    const { send, scopes, bedrock } = await start(order)
    const first = await send({ id: 'one', text })
    const second = await send({ id: 'one', text })
    expect(second.answer).toEqual(first.answer)
    expect(second.error).toBeUndefined()
    expect([second.logged, second.metrics]).toEqual([[], []])
    expect(bedrock.counters().requests).toBe(1)

    const third = await send({ id: 'two', text })
    expect(third.answer?.requestIds).toEqual([third.requestId, third.requestId])
    expect(third.metrics).toMatchObject([{ OutputTokens: expect.any(Number) }])
    expect(await scopes()).toEqual(
      [first, ...(order === 'ours first' ? [second] : []), third].map(({ requestId }) => ({
        requestId,
        ended: true,
      })),
    )
  })

  test('an event that fails may come again: the record is gone, the scope has ended', async () => {
    const { send, scopes, bedrock } = await start(order, [
      { fault: 'error', name: 'AccessDeniedException', status: 403, first: 1 },
    ])
    const failed = await send({ id: 'one', text })
    expect(failed.error).toMatchObject({ errorType: 'ModelError' })
    const again = await send({ id: 'one', text })
    expect(again.answer?.text).toMatch(/card/)
    expect(bedrock.counters().outcomes).toEqual({ AccessDeniedException: 1, ok: 1 })
    expect(await scopes()).toMatchObject([{ ended: true }, { ended: true }])
  })
})
