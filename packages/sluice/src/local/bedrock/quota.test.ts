import { ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucket, fixedWindow, quotaRules } from './quota.ts'
import { clientFor, MODEL, manualClock, say, startForTest } from './testing.ts'

const demand = (change: object = {}) => ({
  inputTokens: 100,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  maxTokens: 400,
  burndown: 1,
  ...change,
})

describe('the rule as published', () => {
  test('the hold is input, cache and the most the answer can have, at face value', () => {
    const quotas = quotaRules([{ tokensPerMinute: 1000 }], () => 0)
    const all = { inputTokens: 100, cacheReadTokens: 200, cacheWriteTokens: 300, maxTokens: 400, burndown: 5 }
    expect(quotas.admit('m', all).refused).toBeUndefined()
    expect(quotas.admit('m', { ...all, maxTokens: 1 }).refused).toBe('tokens')
    expect(quotas.admit('other', { ...all, maxTokens: 401 }).refused).toBe('tokens')
  })

  test('the settlement charges input, cache writes and weighed output; cache reads are free', () => {
    const quotas = quotaRules([{ tokensPerMinute: 1000 }], () => 0)
    const hold = quotas.admit('m', demand({ cacheReadTokens: 200, cacheWriteTokens: 50, burndown: 5 }))
    expect(hold.settle(10)).toBe(100 + 50 + 5 * 10)
    expect(hold.settle(10)).toBe(0)
    expect(quotas.admit('m', demand({ maxTokens: 701 })).refused).toBe('tokens')
    expect(quotas.admit('m', demand({ maxTokens: 700 })).refused).toBeUndefined()
  })

  test('a settlement above the hold leaves a debt that time pays', () => {
    let now = 0
    const quotas = quotaRules([{ tokensPerMinute: 600 }], () => now)
    quotas.admit('m', demand({ burndown: 15 })).settle(60)
    const one = demand({ inputTokens: 1, maxTokens: 0 })
    expect(quotas.admit('m', one).refused).toBe('tokens')
    now += 40_000
    expect(quotas.admit('m', one).refused).toBe('tokens')
    now += 100
    expect(quotas.admit('m', one).refused).toBeUndefined()
  })

  test('what the model never saw is not charged', () => {
    const quotas = quotaRules([{ tokensPerMinute: 500 }], () => 0)
    expect(quotas.admit('m', demand()).settle()).toBe(0)
    expect(quotas.admit('m', demand()).refused).toBeUndefined()
  })

  test('a refusal takes nothing from any ledger', () => {
    const quotas = quotaRules([{ requestsPerMinute: 2, tokensPerMinute: 1000 }], () => 0)
    expect(quotas.admit('m', demand({ maxTokens: 1000 })).refused).toBe('tokens')
    expect(quotas.admit('m', demand()).refused).toBeUndefined()
    expect(quotas.admit('m', demand()).refused).toBeUndefined()
    expect(quotas.admit('m', demand({ inputTokens: 0, maxTokens: 0 })).refused).toBe('requests')
  })

  test('the day has a limit of its own', () => {
    let now = 0
    const quotas = quotaRules([{ tokensPerMinute: 1000, tokensPerDay: 900 }], () => now)
    quotas.admit('m', demand()).settle(400)
    now += 60_000
    expect(quotas.admit('m', demand()).refused).toBe('daily')
    now = 86_400_000
    expect(quotas.admit('m', demand()).refused).toBeUndefined()
  })

  test('each model has its own ledger, an ARN that of the model at its end', () => {
    const quotas = quotaRules([{ model: 'amazon.*', requestsPerMinute: 1 }], () => 0)
    expect(quotas.admit('amazon.nova-lite-v1:0', demand()).refused).toBeUndefined()
    expect(quotas.admit('amazon.nova-pro-v1:0', demand()).refused).toBeUndefined()
    const arn = 'arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0'
    expect(quotas.admit(arn, demand()).refused).toBe('requests')
    expect(quotas.admit('anthropic.claude', demand()).refused).toBeUndefined()
    quotas.reset()
    expect(quotas.admit(arn, demand()).refused).toBeUndefined()
  })
})

describe('shapes', () => {
  test('a bucket refills all the time, up to its burst', () => {
    let now = 0
    const quotas = quotaRules([{ tokensPerMinute: 60_000, burstTokens: 500 }], () => now)
    const take = () => quotas.admit('m', demand())
    take().settle(400)
    expect(take().refused).toBe('tokens')
    now += 499
    expect(take().refused).toBe('tokens')
    now += 1
    expect(take().refused).toBeUndefined()
  })

  test('a window starts again with the minute', () => {
    let now = 59_000
    const quotas = quotaRules([{ tokensPerMinute: 500, shape: 'window' }], () => now)
    quotas.admit('m', demand()).settle(400)
    now = 59_999
    expect(quotas.admit('m', demand()).refused).toBe('tokens')
    now = 60_000
    expect(quotas.admit('m', demand()).refused).toBeUndefined()
  })

  test('a hold of the last window gives nothing back to this one, but what it overspent counts', () => {
    const gauge = fixedWindow(100, 1000)
    const saved = gauge.take(80, 0)
    const overspent = gauge.take(20, 0)
    saved(10, 1000)
    expect(gauge.room(1000)).toBe(100)
    overspent(50, 1000)
    expect(gauge.room(1000)).toBe(70)
  })

  const steps = fc.array(
    fc.record({ afterMs: fc.nat(5000), amount: fc.nat(500), used: fc.nat(800), settleAfterMs: fc.nat(5000) }),
    { maxLength: 40 },
  )

  test('a bucket never holds more than its capacity, and never gains but by time', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const capacity = 1000
        const perMs = 0.05
        const gauge = bucket(capacity, perMs)
        let now = 0
        let spent = 0
        const held: { at: number; settle: (at: number) => void }[] = []
        const settleDue = () => {
          for (const hold of held.splice(0)) {
            if (hold.at <= now) hold.settle(now)
            else held.push(hold)
          }
        }
        for (const { afterMs, amount, used, settleAfterMs } of sequence) {
          now += afterMs
          settleDue()
          if (gauge.room(now) < amount) continue
          const settle = gauge.take(amount, now)
          spent += amount
          held.push({
            at: now + settleAfterMs,
            settle: (at) => {
              settle(used, at)
              spent += used - amount
            },
          })
          const room = gauge.room(now)
          expect(room).toBeLessThanOrEqual(capacity)
          expect(spent).toBeLessThanOrEqual(capacity - room + now * perMs + 1e-6)
        }
      }),
    )
  })

  test('hold and settlement together take exactly what was used', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('bucket', 'window'),
        fc.array(fc.tuple(fc.nat(50), fc.nat(200)), { maxLength: 15 }),
        (shape, calls) => {
          const gauge = shape === 'bucket' ? bucket(1000, 0) : fixedWindow(1000, 60_000)
          const settles = calls.map(([held]) => gauge.take(held, 0))
          for (const [index, settle] of settles.entries()) settle(calls[index]![1], 0)
          expect(gauge.room(0)).toBe(1000 - calls.reduce((sum, [, used]) => sum + used, 0))
        },
      ),
    )
  })
})

test('through the SDK: the texts of the refusals, and what is held while the model thinks', async () => {
  const clock = manualClock()
  const bedrock = await startForTest({
    clock,
    latency: { firstTokenMs: 1000, tokensPerSecond: 1000, jitter: 0 },
    quotas: [{ tokensPerMinute: 1000, requestsPerMinute: 3 }],
  })
  const client = clientFor(bedrock)
  const ask = (maxTokens: number) =>
    client.send(new ConverseCommand({ ...say('Hi.'), inferenceConfig: { maxTokens } }))
  const first = ask(900)
  await clock.sleeping()
  await expect(ask(500)).rejects.toMatchObject({
    name: 'ThrottlingException',
    message: 'Too many tokens, please wait before trying again.',
    $metadata: { httpStatusCode: 429 },
  })
  clock.advance(2000)
  await first
  await bedrock.idle()
  const second = ask(500)
  const third = ask(100)
  await clock.sleeping(2)
  await expect(ask(1)).rejects.toThrow('Too many requests, please wait before trying again.')
  clock.advance(2000)
  await Promise.all([second, third])
  await bedrock.idle()
  expect(bedrock.counters()).toMatchObject({ outcomes: { ok: 3, throttled: 2 } })
  expect(bedrock.requests().flatMap(({ fault }) => fault ?? [])).toEqual(['quota:tokens', 'quota:requests'])
})

test('without maxTokens the most that the model can answer is held', async () => {
  const bedrock = await startForTest({ quotas: [{ tokensPerMinute: 64_000 }, { tokensPerDay: 10 }] })
  const client = clientFor(bedrock)
  await expect(client.send(new ConverseCommand(say('Hi.')))).rejects.toThrow('Too many tokens, please wait')
  const small = client.send(new ConverseCommand({ ...say('Hi.'), inferenceConfig: { maxTokens: 10 } }))
  await expect(small).rejects.toThrow('Too many tokens per day, please wait before trying again.')
  expect(bedrock.counters().models[MODEL]).toMatchObject({
    settledTokens: 0,
    inputTokens: 0,
    outcomes: { throttled: 2 },
  })
})
