import { afterEach, expect, test, vi } from 'vitest'
import { checkKills, killing, type Victim } from './kills.ts'
import { startFixture, startMeeting } from './testing.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Begins `count` invocations that never end; tells which died. */
function deaths(share: number, count: number): string[] {
  const dead: string[] = []
  const killer = killing({ share, withinMs: 100 })
  for (let each = 0; each < count; each++) {
    killer.begin({ requestId: `request ${each}`, event: '{}' }, () => dead.push(`request ${each}`))
  }
  vi.advanceTimersByTime(100)
  return dead
}

test('a share of the invocations dies, the same ones every time', () => {
  vi.useFakeTimers()
  const dead = deaths(0.1, 1_000)
  expect(dead.length).toBeGreaterThan(80)
  expect(dead.length).toBeLessThan(120)
  expect(deaths(0.1, 1_000)).toEqual(dead)
  expect(deaths(0, 1_000)).toEqual([])
})

test('one that is over is spared, and the next dies in its place', () => {
  vi.useFakeTimers()
  const victims: Victim[] = []
  const killer = killing({ share: 1, withinMs: 100, onKill: (victim) => victims.push(victim) })
  const kill = vi.fn()
  const first = { requestId: 'first', event: '1' }
  killer.begin(first, kill)()
  vi.advanceTimersByTime(100)
  expect(kill).not.toHaveBeenCalled()
  for (const requestId of ['second', 'third']) killer.begin({ requestId, event: '2' }, kill)
  vi.advanceTimersByTime(100)
  expect(victims.map(({ requestId }) => requestId).toSorted()).toEqual(['second', 'third'])
  expect(kill).toHaveBeenCalledTimes(2)
})

test('as many die when most of those who were due are spared', () => {
  vi.useFakeTimers()
  const killer = killing({ share: 0.1, withinMs: 100 })
  const kill = vi.fn()
  for (let each = 0; each < 1_000; each++) {
    const over = killer.begin({ requestId: `request ${each}`, event: '{}' }, kill)
    vi.advanceTimersByTime(10)
    over()
  }
  expect(kill.mock.calls.length).toBeGreaterThan(80)
})

test('nobody dies of an invocation that is over', async () => {
  const over = new Set<string>()
  const late: string[] = []
  const echo = await startFixture('echo.ts', {
    kills: {
      share: 1,
      withinMs: 10,
      onKill({ requestId }) {
        if (over.has(requestId)) late.push(requestId)
      },
    },
  })
  for (let each = 0; each < 20; each++) over.add((await echo.invoke({})).requestId)
  expect(late).toEqual([])
})

test('the sandbox dies at work, and who asked is told which event it had', async () => {
  const meeting = await startMeeting()
  const victims: Victim[] = []
  const visitor = await startFixture('meeting.ts', {
    kills: { share: 1, withinMs: 1, onKill: (victim) => victims.push(victim) },
  })
  const { error, requestId } = await visitor.invoke({ url: meeting.url })
  expect(error?.errorMessage).toContain('signal: killed')
  expect(victims).toEqual([{ requestId, event: JSON.stringify({ url: meeting.url }) }])
})

test.for([
  [{ share: 2, withinMs: 1 }, 'of.share must be from 0 to 1, not 2'],
  [{ share: Number.NaN, withinMs: 1 }, 'of.share must be from 0 to 1, not NaN'],
  [{ share: 1, withinMs: -1 }, 'of.withinMs must be at least zero, not -1'],
] as const)('%o cannot work', ([kills, message]) => {
  expect(() => checkKills(kills, 'of')).toThrow(new TypeError(message))
})
