import { expect, test } from 'vitest'
import { compressedClock } from './compressed-time.ts'

test('both times are the same at the origin; from there on it passes faster', () => {
  let realMs = 1_000
  const clock = compressedClock({ originMs: 1_000, factor: 10 }, () => realMs)
  expect(clock.now()).toBe(1_000)
  realMs = 1_600.25
  expect(clock.now()).toBe(7_002)
})

test('who waits for a second of it waits a tenth', async () => {
  const clock = compressedClock({ originMs: Date.now(), factor: 10 })
  const startedAt = clock.now()
  await clock.sleep(500)
  await new Promise<void>((resolve) => clock.after(500, resolve))
  expect(clock.now() - startedAt).toBeGreaterThanOrEqual(980)
  const never = clock.after(100, () => expect.unreachable())
  never()
  await clock.sleep(200)
})
