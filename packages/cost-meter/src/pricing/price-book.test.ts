import { noUsage } from '@sluice/core'
import { fakeClock } from '@sluice/core/testing'
import { describe, expect, test, vi } from 'vitest'
import type { CatalogueData } from './catalogue.ts'
import { priceOf } from './price.ts'
import { type PriceBookOptions, priceBook } from './price-book.ts'

const haiku = 'global.anthropic.claude-haiku-4-5-20251001-v1:0'
const profile = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc'
const data = (input: number): CatalogueData => ({
  source: 's3://prices',
  asOf: '2026-11-20',
  prices: { bedrock: { 'anthropic.claude-haiku-4-5-20251001-v1:0': { routes: ['global'], input } } },
})

function bookWith(options: PriceBookOptions) {
  const clock = fakeClock()
  const warnings: string[] = []
  const book = priceBook({ clock, warn: (message) => warnings.push(message), ...options })
  async function ask(modelId = haiku, usage = { ...noUsage, inputTokens: 1_000_000 }) {
    const price = priceOf(
      { provider: 'bedrock', modelId, usage, atMs: clock.now() },
      await book.open(modelId),
    )
    return price.priced ? price.picoUsd / 1e12 : price.reason
  }
  return { clock, warnings, book, ask }
}

test('the built-in prices need no options; once loaded they are there at once', async () => {
  const { book, ask, clock } = bookWith({})
  expect(book.open(haiku)).toBeInstanceOf(Promise)
  expect(await ask()).toBe(1)
  expect(book.open(haiku)).not.toBeInstanceOf(Promise)
  expect(clock.pending).toBe(0)
})

test("the user's prices go first, then the loaded ones, then the built-in ones", async () => {
  const load = async () => data(7)
  expect(await bookWith({ load }).ask()).toBe(7)
  expect(await bookWith({ load }).ask('us.anthropic.claude-haiku-4-5-20251001-v1:0')).toBe(1.1)
  expect(await bookWith({ load, overrides: { bedrock: { [haiku]: { input: 8 } } } }).ask()).toBe(8)
})

test('a wrong override shows when it is given', () => {
  expect(() => priceBook({ overrides: { bedrock: { m: { input: -1 } } } })).toThrow(TypeError)
})

describe('refreshing', () => {
  test('happens when it is due, once for all that wait', async () => {
    let input = 1
    const load = vi.fn(async () => data(input++))
    const { clock, ask } = bookWith({ load, refreshMs: 1_000 })
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1])
    await clock.advance(999)
    expect(await ask()).toBe(1)
    await clock.advance(1)
    expect(await ask()).toBe(2)
    expect(load).toHaveBeenCalledTimes(2)
  })

  test('that fails leaves the prices as they were, with a warning, and is tried again when due', async () => {
    const load = vi.fn<() => Promise<CatalogueData>>()
    load
      .mockResolvedValueOnce(data(3))
      .mockRejectedValueOnce(new Error('no access'))
      .mockResolvedValueOnce(data(4))
    const { clock, ask, warnings } = bookWith({ load, refreshMs: 1_000 })
    expect(await ask()).toBe(3)
    await clock.advance(1_000)
    expect(await ask()).toBe(3)
    expect(warnings).toEqual(['costMeter: Newer prices could not be read: no access.'])
    await clock.advance(1_000)
    expect(await ask()).toBe(4)
  })

  test('with data that are no prices is a failure', async () => {
    const { ask, warnings } = bookWith({ load: async () => data(-1) })
    expect(await ask()).toBe(1)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('input is -1')
  })

  test.each([undefined, {}, 'prices'])('with %j is a failure', async (nothing) => {
    const { ask, warnings } = bookWith({ load: async () => nothing as unknown as CatalogueData })
    expect(await ask()).toBe(1)
    expect(warnings).toEqual([
      'costMeter: Newer prices could not be read: A catalogue has the fields source, asOf and prices.',
    ])
  })

  test('that takes too long is given up', async () => {
    let signal: AbortSignal | undefined
    const load = (given: AbortSignal) => {
      signal = given
      return new Promise<CatalogueData>(() => {})
    }
    const { clock, ask, warnings } = bookWith({ load, timeoutMs: 500 })
    const asked = ask()
    await clock.advance(500)
    expect(await asked).toBe(1)
    expect(signal?.aborted).toBe(true)
    expect(warnings[0]).toContain('no answer within 500 ms')
    expect(clock.pending).toBe(0)
  })
})

describe('application inference profiles', () => {
  test('by a map', async () => {
    expect(await bookWith({ profiles: { [profile]: haiku } }).ask(profile)).toBe(1)
    expect(await bookWith({}).ask(profile)).toBe('unknown_profile')
  })

  test('by a function, asked once', async () => {
    const profiles = vi.fn(async () => haiku)
    const { ask, book } = bookWith({ profiles })
    expect(await Promise.all([ask(profile), ask(profile)])).toEqual([1, 1])
    expect(await ask(profile)).toBe(1)
    expect(book.open(profile)).not.toBeInstanceOf(Promise)
    expect(profiles).toHaveBeenCalledTimes(1)
  })

  test('a function is not asked for what is no such profile', async () => {
    const profiles = vi.fn(async () => haiku)
    await bookWith({ profiles }).ask(haiku)
    expect(profiles).not.toHaveBeenCalled()
  })

  test('one that cannot be found out is asked for again after a minute', async () => {
    const profiles = vi.fn<() => Promise<string | undefined>>()
    profiles
      .mockRejectedValueOnce(new Error('throttled'))
      .mockResolvedValueOnce(undefined)
      .mockResolvedValueOnce(haiku)
    const { ask, clock, warnings } = bookWith({ profiles })
    for (const expected of ['unknown_profile', 'unknown_profile', 1]) {
      expect(await ask(profile)).toBe(expected)
      expect(await ask(profile)).toBe(expected)
      await clock.advance(60_000)
    }
    expect(profiles).toHaveBeenCalledTimes(3)
    expect(warnings).toHaveLength(1)
  })
})
