import { describe, expect, test } from 'vitest'
import { paceOf } from './latency.ts'
import { manualClock } from './testing.ts'

describe('pace', () => {
  async function* answer() {
    yield ['a', 'b', 'c', 'd']
  }
  const run = async (grainMs: number, moves: number[]) => {
    const clock = manualClock(0)
    const pace = paceOf({ firstTokenMs: 100, tokensPerSecond: 10, jitter: 0 }, clock, Math.random)
    const seen: [number, string][] = []
    const reading = (async () => {
      for await (const batch of pace(answer(), new AbortController().signal, grainMs))
        seen.push([clock.now(), batch.join('')])
    })()
    for (const ms of moves) {
      await clock.sleeping()
      clock.advance(ms)
    }
    await reading
    return seen
  }

  test('tokens come one by one', async () => {
    expect(await run(0, [100, 100, 100, 100])).toEqual([
      [100, 'a'],
      [200, 'b'],
      [300, 'c'],
      [400, 'd'],
    ])
  })

  test('what is late is made good together', async () => {
    expect(await run(0, [250, 150])).toEqual([
      [250, 'ab'],
      [400, 'cd'],
    ])
  })

  test('a coarse grain wakes less often, and never late', async () => {
    expect(await run(150, [150, 150, 150])).toEqual([
      [150, 'a'],
      [300, 'bc'],
      [450, 'd'],
    ])
  })

  test('jitter stays in its bounds', async () => {
    const clock = manualClock(0)
    const waits: number[] = []
    const sleep = async (ms: number) => {
      waits.push(ms)
      clock.advance(ms)
    }
    const latency = { firstTokenMs: 100, tokensPerSecond: 10, jitter: 0.5 }
    const pace = paceOf(latency, { now: clock.now, sleep }, Math.random)
    for await (const _ of pace(answer(), new AbortController().signal, 0));
    expect(waits).toHaveLength(4)
    for (const ms of waits) expect(ms).toSatisfy((wait: number) => wait >= 50 - 1e-6 && wait <= 150 + 1e-6)
  })
})
