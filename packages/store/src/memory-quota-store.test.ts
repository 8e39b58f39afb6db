import { expect, test } from 'vitest'
import { memoryQuotaStore } from './memory-quota-store.ts'
import { quotaStoreConformance } from './testing.ts'

let nowMs = 1_700_000_000_000
const store = memoryQuotaStore({ now: () => nowMs })
const suite = quotaStoreConformance(() => ({
  open: () => store,
  now: () => nowMs,
  advance(durationMs) {
    nowMs += durationMs
  },
  reclaimMs: 0,
  exact: true,
}))
for (const { name, run } of suite) test(name, run)

test('of too many keys the one that was not used for the longest time is forgotten', async () => {
  const small = memoryQuotaStore({ maxKeys: 2, now: () => nowMs })
  const limits = { tokens: { perMinute: 60, burst: 100 } }
  const take = {
    tokens: 60,
    expectedTokens: 60,
    expiresAtMs: nowMs + 60_000,
    maxWaitMs: 0,
    tenant: 'one',
    weight: 1,
    priority: 'interactive' as const,
  }
  for (const key of ['a', 'b']) await small.update(key, { limits, takes: [{ ...take, id: key }] })
  await small.update('a', { limits })
  await small.update('c', { limits })
  expect((await small.update('a', { limits })).view.tokens).toBe(40)
  expect((await small.update('b', { limits })).view.tokens).toBe(100)
})

test('who waits is told when it is its turn, unless nobody would hear it', async () => {
  const limits = { tokens: { perMinute: 60, burst: 100 } }
  const takeOf = (id: string) => ({
    ...{ id, tokens: 80, expectedTokens: 80, expiresAtMs: nowMs + 60_000, maxWaitMs: 60_000_000 },
    ...{ tenant: 'one', weight: 1, priority: 'interactive' as const },
  })
  for (const wakes of [true, false]) {
    const each = memoryQuotaStore({ wakes, now: () => nowMs })
    const [first, second] = [takeOf('first'), takeOf('second')]
    const { answers } = await each.update('key', { limits, takes: [first, second] })
    const answer = answers[1]
    if (answer?.state !== 'waiting') throw new Error(`it is ${answer?.state}`)
    expect(answer.admitted !== undefined).toBe(wakes)
    await each.update('key', { limits, settlements: [{ ...first, usedTokens: 0, sent: true }] })
    await answer.admitted
    expect((await each.update('key', { limits })).view.waitingTokens).toBe(0)
  }
})

test('options that cannot be right are refused by name', () => {
  expect(() => memoryQuotaStore({ maxKeys: 0 })).toThrow(/memoryQuotaStore: maxKeys is 0/)
})
