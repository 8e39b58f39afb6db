import { sleep } from '@sluice/core'
import { type FakeClock, fakeClock } from '@sluice/core/testing'
import { expect, test } from 'vitest'
import { dispatch } from './dispatch.ts'
import { ShedError, type Work } from './policy.ts'
import type { Sandbox } from './sandbox.ts'
import type { Arrival } from './schedule.ts'
import { serviceMs } from './settings.ts'

const arrivalAt = (atMs: number, more: Partial<Arrival> = {}): Arrival => ({
  ...{ atMs, tenant: 0, inputTokens: 100, outputTokens: 30, bytesPerToken: 4, killed: false },
  ...more,
})

/** Answers after the time of the answer, one call at a time. */
function sandbox(clock: FakeClock, call?: (work: Work) => Promise<void>) {
  const seen = { calls: 0, atOnce: 0, most: 0, dead: false }
  const host: Sandbox & { seen: typeof seen } = {
    seen,
    onSend: undefined,
    die() {
      seen.dead = true
    },
    async call(work) {
      seen.calls++
      seen.most = Math.max(seen.most, ++seen.atOnce)
      host.onSend?.()
      try {
        await (call ? call(work) : sleep(clock, serviceMs(work.outputTokens), work.signal))
      } finally {
        seen.atOnce--
      }
    },
  }
  return host
}

async function run(
  arrivals: readonly Arrival[],
  idle: Sandbox[],
  clock: FakeClock,
  { deadlineMs = 10_000, open = () => undefined as Sandbox | undefined } = {},
) {
  const ending = dispatch(arrivals, { clock, settings: { deadlineMs }, startMs: clock.now(), idle, open })
  await clock.advance(100_000)
  return (await ending).sort((a, b) => a.arrival.atMs - b.arrival.atMs)
}

test('a sandbox has one call at a time; who finds none waits for one, and that counts', async () => {
  const clock = fakeClock()
  const only = sandbox(clock)
  const ended = await run([arrivalAt(0), arrivalAt(100), arrivalAt(5_000)], [only], clock)
  expect(only.seen).toMatchObject({ calls: 3, most: 1 })
  expect(ended.map(({ end }) => end)).toEqual(['ok', 'ok', 'ok'])
  expect(ended.map(({ waitedMs }) => waitedMs)).toEqual([0, 900, 0])
})

test('the sandbox that was used last is used first', async () => {
  const clock = fakeClock()
  const [cold, warm] = [sandbox(clock), sandbox(clock)]
  await run([arrivalAt(0), arrivalAt(2_000), arrivalAt(4_000)], [cold, warm], clock)
  expect([cold.seen.calls, warm.seen.calls]).toEqual([0, 3])
})

test('a call that is not answered by its deadline is late, whether it was sent or not', async () => {
  const clock = fakeClock()
  const slow = sandbox(clock, ({ signal }) => sleep(clock, 60_000, signal))
  const ended = await run([arrivalAt(0), arrivalAt(10)], [slow], clock, { deadlineMs: 5_000 })
  expect(ended.map(({ end, endedMs }) => [end, endedMs])).toEqual([
    ['late', 5_000],
    ['late', 5_010],
  ])
  const ignoring = sandbox(clock, () => new Promise((resolve) => clock.after(7_000, () => resolve())))
  const [late, unsent] = await run([arrivalAt(0), arrivalAt(10)], [ignoring], clock, { deadlineMs: 5_000 })
  expect([late?.end, unsent?.end, ignoring.seen.calls]).toEqual(['late', 'late', 1])
})

test('a refusal of a limiter is told from one of the provider', async () => {
  const clock = fakeClock()
  const shedding = sandbox(clock, () => Promise.reject(new ShedError('no room')))
  const quota = sandbox(clock, () =>
    Promise.reject(Object.assign(new Error(), { name: 'QuotaExceededError' })),
  )
  const failing = sandbox(clock, () => Promise.reject(new Error('ThrottlingException')))
  for (const [host, end] of [
    [shedding, 'shed'],
    [quota, 'shed'],
    [failing, 'failed'],
  ] as const) {
    expect((await run([arrivalAt(0)], [host], clock))[0]?.end).toBe(end)
  }
})

test('a sandbox that dies in the middle of an answer is replaced at once', async () => {
  const clock = fakeClock()
  const [first, second] = [sandbox(clock), sandbox(clock)]
  const arrivals = [arrivalAt(0, { killed: true }), arrivalAt(100)]
  const ended = await run(arrivals, [first], clock, { open: () => second })
  expect(ended.map(({ end, endedMs }) => [end, endedMs])).toEqual([
    ['killed', 500],
    ['ok', 1_500],
  ])
  expect([first.seen.dead, second.seen.dead, second.seen.calls]).toEqual([true, false, 1])
})

test('one that was to die, but was refused before, lives on for the next call', async () => {
  const clock = fakeClock()
  const host = sandbox(clock, async ({ killed }) => {
    if (killed) throw new Error('ThrottlingException')
    await new Promise<void>((resolve) => clock.after(2_000, () => resolve()))
  })
  const ended = await run([arrivalAt(0, { killed: true }), arrivalAt(1)], [host], clock)
  expect(ended.map(({ end }) => end)).toEqual(['failed', 'ok'])
  expect(host.seen.dead).toBe(false)
})
