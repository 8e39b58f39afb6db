import { ModelError, noUsage, type Outcome } from '@sluice/core'
import { fakeModel, resetStatistics } from '@sluice/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { demandOf, settlementOf } from './demand.ts'
import { ledgerKey } from './ledger-key.ts'
import { modelLimits } from './model-limits.ts'

beforeEach(resetStatistics)

describe('modelLimits', () => {
  test.each([
    ['anthropic.claude-3-5-sonnet-20241022-v2:0', 8_192, 1],
    ['anthropic.claude-3-7-sonnet-20250219-v1:0', 64_000, 5],
    ['anthropic.claude-sonnet-4-5-20250929-v1:0', 64_000, 5],
    ['anthropic.claude-opus-4-8-20260601-v1:0', 64_000, 15],
    ['anthropic.claude-opus-5-20260801-v1:0', 128_000, 10],
    ['amazon.nova-lite-v1:0', 10_000, 1],
    ['acme.unheard-of-v1', undefined, 1],
  ])('%s', (id, maxTokens, burndown) => {
    expect(modelLimits(id)).toEqual({ maxTokens, burndown })
  })

  test('own numbers come first, the longest head of them', () => {
    const own = { 'anthropic.': { burndown: 2 }, 'anthropic.claude-opus': { burndown: 7, maxTokens: 1 } }
    expect(modelLimits('anthropic.claude-sonnet-4-5', own)).toEqual({ maxTokens: 64_000, burndown: 2 })
    expect(modelLimits('anthropic.claude-opus-4-5', own)).toEqual({ maxTokens: 1, burndown: 7 })
  })
})

describe('the rule of the provider', () => {
  const model = fakeModel({})

  test('held is the prompt and the most the answer can have, at face value', () => {
    const request = model.request({ estimatedInputTokens: 500, maxTokens: 300 })
    expect(demandOf(request, { maxTokens: 64_000, burndown: 5 }).tokens).toBe(800)
    expect(demandOf({ ...request, maxTokens: undefined }, { maxTokens: 64_000, burndown: 5 }).tokens).toBe(
      64_500,
    )
  })

  test('a maximum that nobody knows is a TypeError that says what to set', () => {
    const request = model.request({ maxTokens: undefined })
    expect(() => demandOf(request, { maxTokens: undefined, burndown: 1 })).toThrow(
      /^quotaThrottle: .*fake\.model-v1 declares no maximum .*Set maxTokens, or give models: \{ 'fake\.model-v1'/,
    )
  })

  const usage = {
    inputTokens: 100,
    outputTokens: 20,
    cacheReadTokens: 1000,
    cacheWrite5mTokens: 30,
    cacheWrite1hTokens: 7,
  }
  const outcome = (change: Partial<Outcome> = {}): Outcome => ({
    ...{ status: 'answered', usage, estimated: false, partial: false, sent: true, durationMs: 1 },
    ...change,
  })

  test('settled is input, cache writes and weighed output; reading from a cache is free', () => {
    expect(settlementOf(outcome(), { maxTokens: undefined, burndown: 5 })).toBe(100 + 37 + 5 * 20)
  })

  test('an answer that was given up is charged for what the model has written meanwhile', () => {
    const unseen = { ...noUsage, inputTokens: 100 }
    const given = (serviceMs: number, most: number) =>
      outcome({
        status: 'failed',
        usage: unseen,
        estimated: true,
        serviceMs,
        atMost: { ...unseen, outputTokens: most },
      })
    const limits = { maxTokens: undefined, burndown: 5 }
    expect(settlementOf(given(2_000, 1_000), limits)).toBe(100 + 5 * 120)
    expect(settlementOf(given(2_000, 1_000), limits, 30)).toBe(100 + 5 * 60)
    expect(settlementOf(given(60_000, 1_000), limits)).toBe(100 + 5 * 1_000)
  })

  test('what was never sent, or refused, costs nothing', () => {
    expect(settlementOf(outcome({ sent: false }), { maxTokens: undefined, burndown: 5 })).toBe(0)
    const error = new ModelError('no', { code: 'throttled' })
    const refused = outcome({ status: 'failed', usage: noUsage, error })
    expect(settlementOf(refused, { maxTokens: undefined, burndown: 5 })).toBe(0)
  })
})

describe('ledgerKey', () => {
  const options = { account: '111', region: 'eu-west-1', profiles: {} }
  const key = (modelId: string, baseModelId: string, profiles: Record<string, string> = {}) =>
    ledgerKey({ provider: 'bedrock', modelId, baseModelId }, { ...options, profiles }).key

  test('kinds of profiles have ledgers of their own, ids and ARNs of one model the same', () => {
    const base = 'amazon.nova-lite-v1:0'
    expect(key(base, base)).toBe(`111/eu-west-1/bedrock-runtime/on-demand/${base}`)
    expect(key(`eu.${base}`, base)).toBe(`111/eu-west-1/bedrock-runtime/eu/${base}`)
    expect(key(`global.${base}`, base)).toBe(`111/eu-west-1/bedrock-runtime/global/${base}`)
    expect(key(`arn:aws:bedrock:eu-west-1:111:inference-profile/eu.${base}`, base)).toBe(
      key(`eu.${base}`, base),
    )
    expect(key(`arn:aws:bedrock:eu-west-1::foundation-model/${base}`, base)).toBe(key(base, base))
  })

  test('an ARN names its own account and Region', () => {
    const base = 'amazon.nova-lite-v1:0'
    expect(key(`arn:aws:bedrock:us-east-1:222:inference-profile/us.${base}`, base)).toBe(
      `222/us-east-1/bedrock-runtime/us/${base}`,
    )
  })

  test('an endpoint that counts by another rule is refused, not counted wrongly', () => {
    const call = {
      provider: 'bedrock-mantle',
      modelId: 'openai.gpt-oss-120b',
      baseModelId: 'openai.gpt-oss-120b',
    }
    expect(() => ledgerKey(call, options)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    expect(() => ledgerKey(call, options)).toThrow(
      /bedrock-mantle has quotas of its own.* without the throttle/,
    )
  })

  test('an id that hides its model is refused until profiles tells what is behind it', () => {
    const arn = 'arn:aws:bedrock:eu-west-1:111:application-inference-profile/abc123'
    expect(() => key(arn, arn)).toThrow(expect.objectContaining({ code: 'invalid_request', statusCode: 400 }))
    expect(() => key(arn, arn)).toThrow(/profiles: \{ 'arn:aws:bedrock:eu-west-1:111:application/)
    const behind = { [arn]: 'eu.amazon.nova-lite-v1:0' }
    const base = 'amazon.nova-lite-v1:0'
    expect(key(arn, arn, behind)).toBe(key(`eu.${base}`, base))
  })
})
