import { fakeClock } from '@sluice/core/testing'
import { type CacheStore, memoryCacheStore } from '@sluice/store'
import { afterEach, expect, test, vi } from 'vitest'
import { cancelStream, watchCancel } from './cancel.ts'

afterEach(() => vi.restoreAllMocks())

function watch(store: CacheStore, pollMs?: number) {
  const clock = fakeClock()
  const controller = new AbortController()
  const reasons: unknown[] = []
  const options = { store, ...(pollMs && { pollMs }) }
  const watching = watchCancel(options, 'k', clock, controller.signal, (reason) => reasons.push(reason))
  return { clock, controller, reasons, watching }
}

test('stops within the time of a poll, once', async () => {
  const store = memoryCacheStore()
  const { clock, reasons, watching } = watch(store)
  await clock.advance(3_000)
  await cancelStream(store, 'another')
  await clock.advance(1_500)
  expect(reasons).toEqual([])
  await cancelStream(store, 'k')
  await clock.advance(1_499)
  expect(reasons).toEqual([])
  await clock.advance(1)
  expect(reasons).toMatchObject([{ code: 'aborted' }])
  await watching
  expect(clock.pending).toBe(0)
})

test('asks no more when the stream is over', async () => {
  const { clock, controller, watching } = watch(memoryCacheStore(), 100)
  controller.abort()
  await watching
  expect(clock.pending).toBe(0)
})

test('the word is kept for as long as it is told, and not for ever', async () => {
  const sets: unknown[] = []
  const store: CacheStore = {
    get: async () => undefined,
    set: async (...all) => {
      sets.push(all)
    },
  }
  await cancelStream(store, 'k')
  await cancelStream(store, 'k', 5)
  expect(sets).toEqual([
    ['cancel-stream/k', expect.any(Uint8Array), 900_000],
    ['cancel-stream/k', expect.any(Uint8Array), 5],
  ])
})

test('a store that is down is warned of once, and asked again', async () => {
  const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const store = memoryCacheStore()
  let down = true
  const shaky: CacheStore = {
    set: store.set,
    get: (key) => (down ? Promise.reject(new RangeError('down')) : store.get(key)),
  }
  const { clock, reasons } = watch(shaky, 100)
  await clock.advance(1_000)
  expect(warning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('RangeError'), 'SluiceWarning')
  down = false
  await cancelStream(store, 'k')
  await clock.advance(100)
  expect(reasons).toHaveLength(1)
})
