import { callModel, currentScope, ModelError, noUsage, type Scope } from '@sluice/core'
import { fakeModel, resetStatistics } from '@sluice/core/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type QuotaStatus, type QuotaThrottle, quotaThrottle } from './quota-throttle.ts'
import type { QuotaMetrics } from './record.ts'
import { rightSizing } from './right-size.ts'

let warnings: string[]
beforeEach(() => {
  resetStatistics()
  warnings = []
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
})
afterEach(() => void vi.restoreAllMocks())

const request = fakeModel({}).request()
const { baseModelId } = request

function learned(lengths: readonly number[], declared = 10, route = 'triage') {
  const sizes = rightSizing()
  for (const tokens of lengths) sizes.learn(route, request, tokens, declared)
  return sizes
}

describe('the lengths of answers', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1)

  test('are exact quantiles of a route and model', () => {
    const sizes = learned(hundred)
    expect(sizes.of('triage', baseModelId)).toEqual({
      route: 'triage',
      baseModelId,
      answers: 100,
      outputTokensP50: 50,
      outputTokensP99: 99,
    })
    expect(sizes.of('summary', baseModelId)).toBeUndefined()
    expect(sizes.of('triage', 'other')).toBeUndefined()
  })

  test('are those of the latest 256 answers', () => {
    const sizes = learned([...hundred, 5_000, ...Array(255).fill(7)])
    expect(sizes.of('triage', baseModelId)).toMatchObject({
      answers: 256,
      outputTokensP50: 7,
      outputTokensP99: 7,
    })
    sizes.learn('triage', request, 9, 10)
    // The 5,000 are gone with this one.
    for (let i = 0; i < 255; i++) sizes.learn('triage', request, 8, 10)
    expect(sizes.of('triage', baseModelId)).toMatchObject({ outputTokensP50: 8, outputTokensP99: 8 })
  })

  test('of an embedding there are none', () => {
    expect(learned(Array(60).fill(0), 0).of('triage', baseModelId)).toBeUndefined()
    expect(warnings).toEqual([])
  })

  test('are kept for a hundred routes, the latest to come', () => {
    const sizes = rightSizing()
    for (let i = 0; i <= 100; i++) sizes.learn(`route-${i}`, request, 5, 10)
    expect(sizes.of('route-0', baseModelId)).toBeUndefined()
    expect(sizes.of('route-1', baseModelId)).toMatchObject({ answers: 1 })
    expect(sizes.of('route-100', baseModelId)).toMatchObject({ answers: 1 })
  })
})

describe('a maximum far above the answers', () => {
  test('is told of once, with numbers', () => {
    learned([...Array(50).fill(100), ...Array(50).fill(200)], 4_096)
    expect(warnings).toEqual([
      'maxTokens of fake.model-v1 in triage is 4096, but of 50 answers half had at most 100 tokens and 99 % at most 100. ' +
        'The quota holds the maximum while a call runs: with maxTokens 150 it would carry up to 27 times as many calls at once.',
    ])
  })

  test('not before 50 answers, and not where it is less than four times as much', () => {
    learned(Array(49).fill(100), 4_096)
    learned(Array(100).fill(100), 399)
    expect(warnings).toEqual([])
    learned(Array(50).fill(100), 400)
    expect(warnings).toHaveLength(1)
  })

  test('is told of for each route and each maximum, since one may be right and the other not', () => {
    const sizes = rightSizing()
    for (let i = 0; i < 60; i++) {
      sizes.learn('label', request, 10, 2_000)
      sizes.learn('essay', request, 1_800, 2_000)
      sizes.learn('summary', request, 100, 2_000)
    }
    for (let i = 0; i < 10; i++) sizes.learn('label', request, 10, 1_000)
    expect(warnings.map((warning) => /in (\w+) is (\d+)/.exec(warning)?.slice(1))).toEqual([
      ['label', '2000'],
      ['summary', '2000'],
      ['label', '1000'],
    ])
  })
})

describe('the throttle', () => {
  const answer = (outputTokens: number) => ({ usage: { ...noUsage, inputTokens: 10, outputTokens } })
  const quotas = { tokensPerMinute: 1_000_000 }

  function invoked(throttle: QuotaThrottle) {
    const context = {} as { quota: QuotaStatus }
    const request = { event: {}, context, response: undefined } as never
    throttle.before?.(request)
    return { context, scope: currentScope() as Scope, after: () => throttle.after?.(request) }
  }

  test('shows the lengths of the route on the context and in the metrics', async () => {
    const added: [string, number][] = []
    const metrics: QuotaMetrics = {
      addMetric: (name, _unit, value) => added.push([name, value]),
      publishStoredMetrics() {},
    }
    const throttle = quotaThrottle({
      ...{ quotas, sandboxes: 1, metrics },
      route: ({ baseModelId }, { tags }) => `${tags.feature} by ${baseModelId}`,
    })
    const { scope, context, after } = invoked(throttle)
    scope.tags = { feature: 'triage' }
    const model = fakeModel(answer(20), answer(40), answer(30))
    expect(context.quota.answers).toBeUndefined()
    await callModel(scope, model.request())
    expect(context.quota.answers).toMatchObject({ answers: 1, outputTokensP50: 20, outputTokensP99: 20 })
    await callModel(scope, model.request())
    await callModel(scope, model.request())
    expect(context.quota.answers).toEqual({
      ...{ route: 'triage by fake.model-v1', baseModelId: 'fake.model-v1', answers: 3 },
      ...{ outputTokensP50: 30, outputTokensP99: 40 },
    })
    await after()
    expect(added.filter(([name]) => name.startsWith('QuotaOutput'))).toEqual([
      ['QuotaOutputTokensP50', 20],
      ['QuotaOutputTokensP99', 20],
      ['QuotaOutputTokensP50', 20],
      ['QuotaOutputTokensP99', 40],
    ])
  })

  test('learns nothing from an answer that failed', async () => {
    const throttle = quotaThrottle({ quotas, sandboxes: 1, route: 'one' })
    const { scope, context, after } = invoked(throttle)
    await expect(
      callModel(scope, fakeModel({ error: new ModelError('broken', { code: 'model_failed' }) }).request()),
    ).rejects.toThrow('broken')
    await after()
    expect(context.quota.answers).toBeUndefined()
  })
})
