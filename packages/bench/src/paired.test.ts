import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { paired, roundOrder, summarize, voidReason } from './paired.ts'

describe('roundOrder', () => {
  const arms = ['a', 'b', 'c', 'd', 'e', 'f']

  test('keeps every arm, in every round', () => {
    fc.assert(
      fc.property(fc.nat(1_000), (round) => {
        expect(roundOrder(arms, round).toSorted()).toEqual(arms)
      }),
    )
  })

  test('puts every arm in every place equally often', () => {
    const places = new Map<string, number>()
    for (let round = 0; round < 2 * arms.length; round++) {
      roundOrder(arms, round).forEach((arm, place) => {
        places.set(`${arm}${place}`, (places.get(`${arm}${place}`) ?? 0) + 1)
      })
    }
    expect(places.size).toBe(36)
    expect(new Set(places.values())).toEqual(new Set([2]))
  })

  test('does not always run an arm after the same neighbour', () => {
    const before = new Set<string | undefined>()
    for (let round = 0; round < 12; round++) {
      const order = roundOrder(arms, round)
      before.add(order[order.indexOf('c') - 1])
    }
    expect([...before].filter((arm) => arm !== undefined).toSorted()).toEqual(['b', 'd'])
  })
})

describe('paired', () => {
  test('compares inside a round: a machine that slows down does not show', async () => {
    const cost = { sdk: 100, aa: 100, ours: 60 }
    const result = await paired({
      arms: ['sdk', 'aa', 'ours'],
      rounds: 31,
      measure: async (arm, round) => cost[arm] * (1 + round),
    })
    expect(result.ratio('ours', 'sdk')).toEqual({ value: 0.6, interval: [0.6, 0.6] })
    expect(result.ratio('aa', 'sdk').value).toBe(1)
    expect(result.arms.sdk.median).toBe(1_600)
    expect(result.arms.sdk.rounds).toHaveLength(31)
    expect(result.difference('ours', 'sdk').value).toBe(-640)
  })

  test('gives each arm its turns and takes their mean, in an order that goes on turning', async () => {
    const order: string[] = []
    const result = await paired({
      arms: ['a', 'b'],
      rounds: 2,
      turns: 2,
      measure: async (arm) => order.push(arm),
    })
    expect(order).toEqual(['a', 'b', 'b', 'a', 'b', 'a', 'a', 'b'])
    expect(result.arms.a.rounds).toEqual([2.5, 6.5])
    expect(result.arms.b.rounds).toEqual([2.5, 6.5])
  })

  test('runs one arm at a time', async () => {
    let running = 0
    await paired({
      arms: ['a', 'b', 'c'],
      rounds: 4,
      measure: async () => {
        running++
        await new Promise(setImmediate)
        expect(running).toBe(1)
        running--
        return 1
      },
    })
  })

  test('takes the median of the ratios, not the ratio of the medians', () => {
    const figures = new Map([
      ['sdk', [1, 10, 100]],
      ['ours', [2, 10, 50]],
    ])
    expect(summarize(figures).ratio('ours', 'sdk').value).toBe(1)
    expect(summarize(figures).difference('ours', 'sdk').value).toBe(0)
  })

  test('a failing arm ends the run', async () => {
    const failing = paired({ arms: ['a'], rounds: 1, measure: () => Promise.reject(new Error('refused')) })
    await expect(failing).rejects.toThrow('refused')
  })
})

test.each([
  [0.969, true],
  [0.97, false],
  [1, false],
  [1.03, false],
  [1.031, true],
  [Number.NaN, true],
])('a run with A/A at %d is void: %s', (ratio, isVoid) => {
  expect(voidReason('buffered', ratio) !== undefined).toBe(isVoid)
})
