import { fakeClock } from '@sluice/core/testing'
import { memoryQuotaStore, type QuotaStore, type QuotaTake } from '@sluice/store'
import { expect, test } from 'vitest'
import { openGate } from './gate.ts'

/** A gate to a store that fails as often, and two calls of which one is all that a sandbox has by itself. */
async function setUp(failures: number) {
  const clock = fakeClock()
  const memory = memoryQuotaStore({ now: clock.now })
  let asked = 0
  const store: QuotaStore = {
    async update(key, change) {
      asked += 1
      if (asked <= failures) throw new Error('no answer')
      return memory.update(key, change)
    },
  }
  const gate = openGate({
    ...{ key: 'key', quotas: { tokensPerMinute: 6_000 }, share: 1, store, sandboxes: 100, clock },
    ...{ onStoreError: 'safe-share', onStoreFailure: () => {} },
  })
  const take = (more: Partial<QuotaTake> = {}): QuotaTake => ({
    ...{ id: 'a', tokens: 1_000, expectedTokens: 1_000, expiresAtMs: clock.now() + 60_000, maxWaitMs: 0 },
    ...{ tenant: 'one', weight: 1, priority: 'interactive' },
    ...more,
  })
  expect((await gate.take(take())).answer.state).toBe('admitted')
  return { clock, gate, take }
}

test('what is too much for a sandbox by itself waits once for the store, and is let in by it', async () => {
  const { clock, gate, take } = await setUp(2)
  const second = take({ id: 'b', maxWaitMs: 5_000 })
  const { answer } = await gate.take(second)
  expect(answer).toEqual({ id: 'b', state: 'waiting', askInMs: 1_000, ticket: 'alone' })
  await clock.advance(1_000)
  const again = await gate.take({ ...second, maxWaitMs: 4_000, ticket: 'alone' })
  expect(again).toEqual({ answer: { id: 'b', state: 'admitted' }, keeper: 'store' })
})

test('where the store stays away it is refused then, until the store is asked again', async () => {
  const { clock, gate, take } = await setUp(100)
  const second = take({ id: 'b', maxWaitMs: 5_000 })
  await gate.take(second)
  await clock.advance(1_000)
  const again = await gate.take({ ...second, maxWaitMs: 4_000, ticket: 'alone' })
  expect(again.answer).toMatchObject({ state: 'refused', limit: 'tokens', waitMs: 1_000 })
})

test('who has no time to wait for the store is refused, and told when it is asked again', async () => {
  const { gate, take } = await setUp(100)
  const { answer } = await gate.take(take({ id: 'b', maxWaitMs: 500 }))
  expect(answer).toMatchObject({ state: 'refused', waitMs: 1_000 })
})
