import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import type { Outcome } from './outcome.ts'
import {
  estimateInputTokens,
  estimateTokens,
  heldMsP99,
  observe,
  observeHeld,
  resetStatistics,
  statisticsOf,
} from './statistics.ts'
import { fakeModel } from './testing.ts'
import { noUsage, type Usage } from './usage.ts'

beforeEach(resetStatistics)

const model = fakeModel()
const baseModelId = 'fake.model-v1'

interface Answer {
  readonly usage?: Partial<Usage>
  readonly inputBytes?: number
  readonly outputBytes?: number
  readonly baseModelId?: string
  readonly outcome?: Partial<Outcome>
}

function learn({
  usage,
  inputBytes = 0,
  outputBytes = 0,
  baseModelId: id = baseModelId,
  outcome,
}: Answer): void {
  observe(
    model.request({ inputBytes, baseModelId: id }),
    {
      status: 'answered',
      estimated: false,
      partial: false,
      sent: true,
      durationMs: 0,
      usage: { ...noUsage, ...usage },
      ...outcome,
    },
    outputBytes,
  )
}

test('a model that was never called has the defaults, rounded up', () => {
  expect(statisticsOf(baseModelId)).toEqual({
    attempts: 0,
    inputBytesPerToken: 3.5,
    outputBytesPerToken: 3.5,
    outputTokensP50: undefined,
    outputTokensP99: undefined,
    firstContentMs: undefined,
    tokensPerSecond: undefined,
  })
  expect([0, 1, 35, 36].map((bytes) => estimateInputTokens(baseModelId, bytes))).toEqual([0, 1, 10, 11])
  expect(estimateTokens(baseModelId, 36)).toBe(11)
})

test('bytes per token: the first answer is believed, later ones move it by a tenth', () => {
  learn({ inputBytes: 600, outputBytes: 500, usage: { inputTokens: 100, outputTokens: 100 } })
  expect(statisticsOf(baseModelId)).toMatchObject({
    attempts: 1,
    inputBytesPerToken: 6,
    outputBytesPerToken: 5,
  })
  expect(estimateInputTokens(baseModelId, 600)).toBe(100)
  for (let i = 0; i < 19; i++)
    learn({ inputBytes: 600, outputBytes: 500, usage: { inputTokens: 100, outputTokens: 100 } })
  learn({ inputBytes: 200, outputBytes: 500, usage: { inputTokens: 100, outputTokens: 100 } })
  expect(statisticsOf(baseModelId).inputBytesPerToken).toBeCloseTo(5.6)
})

test('whatever the mix of prompts, the estimate ends up near what is counted', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 12, noNaN: true }),
      fc.array(fc.integer({ min: 100, max: 5_000 }), { minLength: 40, maxLength: 60 }),
      (bytesPerToken, prompts) => {
        resetStatistics()
        for (const inputTokens of prompts) {
          learn({ inputBytes: Math.round(inputTokens * bytesPerToken), usage: { inputTokens } })
        }
        const estimate = estimateInputTokens(baseModelId, 10_000 * bytesPerToken)
        expect(Math.abs(estimate - 10_000)).toBeLessThan(100)
      },
    ),
  )
})

test('cached tokens are tokens of the prompt too', () => {
  learn({
    inputBytes: 400,
    usage: { inputTokens: 10, cacheReadTokens: 60, cacheWrite5mTokens: 20, cacheWrite1hTokens: 10 },
  })
  expect(statisticsOf(baseModelId).inputBytesPerToken).toBe(4)
})

test.for<[string, Partial<Outcome>]>([
  ['estimated usage', { estimated: true }],
  ['a failure', { status: 'failed' }],
  ['an answer that was left', { status: 'left' }],
  ['an answer that was never sent for', { sent: false }],
])('%s teaches nothing', ([, outcome]) => {
  learn({ inputBytes: 600, outputBytes: 500, usage: { inputTokens: 100, outputTokens: 100 }, outcome })
  expect(statisticsOf(baseModelId)).toMatchObject({ attempts: 0, inputBytesPerToken: 3.5 })
})

test('an empty prompt, an empty answer and unknown sizes divide nothing by nothing', () => {
  learn({ usage: { inputTokens: 100, outputTokens: 100 } })
  learn({ inputBytes: 100, outputBytes: 100 })
  expect(statisticsOf(baseModelId)).toMatchObject({
    attempts: 2,
    inputBytesPerToken: 3.5,
    outputBytesPerToken: 3.5,
  })
})

test('lengths: at least the asked share of the answers stayed within, and little more is claimed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 300 }),
      (lengths) => {
        resetStatistics()
        for (const outputTokens of lengths) learn({ usage: { outputTokens } })
        const sorted = lengths.toSorted((a, b) => a - b)
        const { outputTokensP50 = 0, outputTokensP99 = 0 } = statisticsOf(baseModelId)
        for (const [share, told] of [
          [0.5, outputTokensP50],
          [0.99, outputTokensP99],
        ] as const) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0
          expect(told).toBeGreaterThanOrEqual(exact)
          // The buckets grow by a fifth.
          expect(told).toBeLessThanOrEqual(exact * 2 ** 0.25)
        }
      },
    ),
  )
})

test('speed: first content of streams, tokens per second after it, else over the whole time', () => {
  learn({ usage: { outputTokens: 100 }, outcome: { firstContentMs: 500, serviceMs: 1_500 } })
  expect(statisticsOf(baseModelId)).toMatchObject({ firstContentMs: 500, tokensPerSecond: 100 })
  learn({ usage: { outputTokens: 100 }, outcome: { serviceMs: 500 } })
  expect(statisticsOf(baseModelId)).toMatchObject({ firstContentMs: 500, tokensPerSecond: 110 })
  learn({ usage: { outputTokens: 100 }, outcome: { firstContentMs: 700, serviceMs: 700 } })
  expect(statisticsOf(baseModelId)).toMatchObject({ firstContentMs: 520, tokensPerSecond: 110 })
})

test('ids that users make up do not fill the memory: the oldest is forgotten', () => {
  for (let i = 0; i < 257; i++) {
    learn({ baseModelId: `model-${i}`, inputBytes: 600, usage: { inputTokens: 100 } })
  }
  expect([0, 1, 256].map((i) => statisticsOf(`model-${i}`).attempts)).toEqual([0, 1, 1])
})

test('99 % of the last 128 holds took no longer than is told', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 300, size: 'max' }), (durations) => {
      resetStatistics()
      for (const durationMs of durations) observeHeld(durationMs)
      const sorted = durations.slice(-128).sort((a, b) => a - b)
      expect(heldMsP99()).toBe(sorted[Math.ceil(sorted.length * 0.99) - 1])
    }),
  )
})
