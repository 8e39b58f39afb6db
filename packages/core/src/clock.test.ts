import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { abortError, sleep, systemClock, untilAborted } from './clock.ts'
import { ScopeEndedError } from './errors.ts'
import { fakeClock } from './testing.ts'

test('a sleep is over when its time has come, not before', async () => {
  const clock = fakeClock()
  let over = false
  const sleeping = sleep(clock, 1_000, new AbortController().signal).then(() => {
    over = true
  })
  await clock.advance(999)
  expect(over).toBe(false)
  await clock.advance(1)
  expect(over).toBe(true)
  await sleeping
})

test('an abort ends a sleep at once and takes its timer with it', async () => {
  const clock = fakeClock()
  const controller = new AbortController()
  const sleeping = sleep(clock, 1_000, controller.signal)
  expect(clock.pending).toBe(1)
  controller.abort()
  await expect(sleeping).rejects.toMatchObject({ name: 'AbortError', code: 'aborted' })
  expect(clock.pending).toBe(0)
})

test('nobody falls asleep on a signal that has been aborted', async () => {
  const clock = fakeClock()
  await expect(sleep(clock, 1_000, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  expect(clock.pending).toBe(0)
})

test('sleeps leave no listeners on a signal that lives on, however they end', async () => {
  const clock = fakeClock()
  const { signal } = new AbortController()
  const sleeping = Array.from({ length: 20 }, (_, i) => sleep(clock, i, signal))
  expect(getEventListeners(signal, 'abort')).toHaveLength(20)
  await clock.advance(20)
  await Promise.all(sleeping)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('the reason of an abort: ours stays what it is, any other is the cause', () => {
  const ended = new ScopeEndedError('over', { code: 'scope_ended' })
  expect(abortError(AbortSignal.abort(ended))).toBe(ended)
  const other = new RangeError('why')
  expect(abortError(AbortSignal.abort(other))).toMatchObject({ name: 'AbortError', cause: other })
  expect(abortError(AbortSignal.abort('only text'))).toMatchObject({ name: 'AbortError', cause: 'only text' })
  expect(abortError(AbortSignal.abort(null))).toMatchObject({ name: 'AbortError' })
})

test("the system's clock tells the time, calls once, and can be stopped", async () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
  const called: string[] = []
  const cancel = systemClock.after(1, () => called.push('cancelled'))
  cancel()
  await new Promise<void>((resolve) => {
    systemClock.after(20, () => {
      called.push('called')
      resolve()
    })
  })
  expect(called).toEqual(['called'])
})

test('what is further off than a timer can wait does not come at once', async () => {
  let came = 0
  const cancels = [2 ** 31, 2 ** 40, Infinity].map((delayMs) => systemClock.after(delayMs, () => came++))
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  for (const cancel of cancels) cancel()
  expect(came).toBe(0)
})

describe('untilAborted', () => {
  test('is what the work comes to, or the reason of the signal, whichever is first', async () => {
    const { signal } = new AbortController()
    expect(await untilAborted(Promise.resolve(5), signal)).toBe(5)
    await expect(untilAborted(Promise.reject(new RangeError('no')), signal)).rejects.toThrow('no')
    const controller = new AbortController()
    const waiting = untilAborted(new Promise(() => {}), controller.signal)
    controller.abort(new RangeError('why'))
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'why' } })
    await expect(untilAborted(Promise.resolve(5), controller.signal)).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  test('work that fails after it was left disturbs nobody', async () => {
    const late = Promise.withResolvers<never>()
    const left = untilAborted(late.promise, AbortSignal.abort())
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    late.reject(new Error('late'))
    await new Promise(setImmediate)
  })
})
