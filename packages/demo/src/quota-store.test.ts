import { memoryQuotaStore } from '@sluice/store'
import { expect, onTestFinished, test } from 'vitest'
import { quotaStoreOver, startQuotaStore } from './quota-store.ts'

const limits = { tokens: { perMinute: 6_000, burst: 1_000 } }
const take = (id: string, tokens: number) => ({
  id,
  tokens,
  expectedTokens: tokens,
  expiresAtMs: Date.now() + 60_000,
  maxWaitMs: 0,
  tenant: 'acme',
  weight: 1,
  priority: 'interactive' as const,
})

async function start(store = memoryQuotaStore()) {
  const server = await startQuotaStore(store)
  onTestFinished(server.close)
  return [quotaStoreOver(server.url), quotaStoreOver(server.url)] as const
}

test('what one sandbox holds another one cannot', async () => {
  const [one, other] = await start()
  const { answers } = await one.update('model', { limits, takes: [take('a', 800)] })
  expect(answers).toEqual([{ id: 'a', state: 'admitted' }])
  const refused = await other.update('model', { limits, takes: [take('b', 800)] })
  expect(refused.answers).toMatchObject([{ id: 'b', state: 'refused', limit: 'tokens' }])
  const elsewhere = await other.update('another model', { limits, takes: [take('c', 800)] })
  expect(elsewhere.answers).toMatchObject([{ state: 'admitted' }])
})

test('more than there ever is waits for ever, also on the way through HTTP', async () => {
  const [store] = await start()
  const { answers } = await store.update('model', { limits, takes: [take('a', 2_000)] })
  expect(answers).toMatchObject([{ state: 'refused', waitMs: Number.POSITIVE_INFINITY }])
})

test('a store that fails is one that does not answer', async () => {
  const [store] = await start({ update: () => Promise.reject(new Error('down')) })
  await expect(store.update('model', { limits })).rejects.toThrow('The quota store answered 500.')
})

test('who gives up does not wait', async () => {
  const [store] = await start({ update: () => new Promise(() => {}) })
  const gaveUp = new AbortController()
  const update = store.update('model', { limits }, gaveUp.signal)
  gaveUp.abort(new Error('no time'))
  await expect(update).rejects.toThrow('no time')
})
