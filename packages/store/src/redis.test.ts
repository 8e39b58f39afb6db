/** On a real Redis server. Where there is no `redis-server`, these tests are left out. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { createClient } from '@redis/client'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { changes, limits, takeOf } from './fixtures/quota-changes.ts'
import { hasRedis, type RedisServer, startRedis } from './fixtures/redis-server.ts'
import { updateQuotaLedger } from './quota-ledger.ts'
import { quotaLedger } from './quota-ledger-state.ts'
import { redisQuotaStore } from './redis.ts'
import { quotaStoreConformance } from './testing.ts'

describe.runIf(hasRedis)('on a Redis server', () => {
  let server: RedisServer
  let nowMs = 1_700_000_000_000
  let ioredis: Redis
  beforeAll(async () => {
    server = await startRedis()
    ioredis = new Redis(server.url)
  }, 30_000)
  const subscribers: Redis[] = []
  afterAll(async () => {
    for (const subscriber of subscribers) subscriber.disconnect()
    ioredis.disconnect()
    await server.close()
  })

  const suite = quotaStoreConformance(() => ({
    open: () => redisQuotaStore({ client: ioredis, now: () => nowMs, timeoutMs: 10_000 }),
    now: () => nowMs,
    advance(durationMs) {
      nowMs += durationMs
    },
    reclaimMs: 0,
    exact: true,
  }))
  for (const { name, run } of suite) test(name, run, 30_000)

  test.for(['node-redis', 'ioredis', 'iovalkey'] as const)(
    '%s runs it, on the time of the server',
    async (name) => {
      const { client, close } = await clientOf(name)
      // Twice, since the first one may find that the server does not know the script.
      await ioredis.script('FLUSH')
      const store = redisQuotaStore({ client, prefix: `${name}:` })
      for (const tokens of [900, 800]) {
        const take = takeOf({ id: String(tokens), tokens: 100, expiresAtMs: Date.now() + 60_000 })
        const { answers, view, operations } = await store.update('key', { limits, takes: [take] })
        expect(answers).toEqual([{ id: take.id, state: 'admitted' }])
        // A thousandth of it comes back each millisecond.
        expect(view.tokens).toBeGreaterThanOrEqual(tokens)
        expect(view.tokens).toBeLessThan(tokens + 100)
        expect(view.requests).toBe(Number.POSITIVE_INFINITY)
        expect(operations).toBe(1)
      }
      close()
    },
  )

  async function clientOf(name: 'node-redis' | 'ioredis' | 'iovalkey') {
    if (name === 'node-redis') {
      const client = await createClient({ url: server.url }).connect()
      return { client, close: () => client.destroy() }
    }
    const client = name === 'ioredis' ? new Redis(server.url) : new Valkey(server.url)
    return { client, close: () => client.disconnect() }
  }

  test.for(['ask again', 'are woken'] as const)(
    'the script and the ledger in memory answer the same, whatever comes, where those who wait %s',
    { timeout: 60_000 },
    async (way) => {
      let time = 0
      let run = 0
      const woken: string[] = []
      const wake = way === 'are woken' ? (id: string) => woken.push(id) : undefined
      const store = wake
        ? await listening('same:', () => time)
        : redisQuotaStore({ client: ioredis, prefix: 'same:', now: () => time, timeoutMs: 10_000 })
      await fc.assert(
        fc.asyncProperty(changes, async (steps) => {
          time = 1_700_000_000_000
          const key = `${way}-${run++}`
          const ledger = quotaLedger()
          for (const { elapsedMs, change } of steps) {
            time += elapsedMs
            const made = change(time)
            const { answers, ...rest } = await store.update(key, made)
            const alike = answers.map((answer) => ({ ...answer, admitted: undefined }))
            expect({ answers: alike, ...rest }).toEqual(updateQuotaLedger(ledger, made, time, wake))
          }
        }),
        { numRuns: 150 },
      )
      expect(woken.length > 0).toBe(way === 'are woken')
    },
  )

  /** A store that hears whose turn it is, because somebody has waited already. */
  async function listening(prefix: string, now: () => number, subscriber = ioredis.duplicate()) {
    const store = redisQuotaStore({ client: ioredis, subscriber, prefix, now, timeoutMs: 10_000 })
    const takes = ['holds', 'waits'].map((id) => takeOf({ id, tokens: 600, maxWaitMs: 60_000 }))
    const { operations } = await store.update('first', { limits, takes })
    expect(operations).toBe(2)
    await vi.waitFor(async () => expect(await ioredis.pubsub('CHANNELS', `${prefix}turn:*`)).toHaveLength(1))
    subscribers.push(subscriber)
    return store
  }

  test.for(['node-redis', 'ioredis', 'iovalkey'] as const)(
    'who waits is told through %s when it is its turn, and holds it then',
    async (name) => {
      const subscriber = await clientOf(name)
      const store = await listening(`turn-${name}:`, () => nowMs, subscriber.client as unknown as Redis)
      const other = redisQuotaStore({ client: ioredis, prefix: `turn-${name}:`, now: () => nowMs })
      const [first, second] = ['first', 'second'].map((id) => takeOf({ id, tokens: 800, maxWaitMs: 60_000 }))
      if (!first || !second) throw new Error('two takes')
      await store.update('key', { limits, takes: [first] })
      const { answers, operations } = await store.update('key', { limits, takes: [second] })
      expect(operations).toBe(1)
      const [answer] = answers
      if (answer?.state !== 'waiting') throw new Error(`it is ${answer?.state}`)
      await other.update('key', { limits, settlements: [{ ...first, usedTokens: 0, sent: true }] })
      await answer.admitted
      // It is held: somebody else gets only what is left.
      const left = await other.update('key', { limits, takes: [takeOf({ id: 'third', tokens: 300 })] })
      expect(left.answers[0]?.state).toBe('refused')
      await store.update('key', { limits, settlements: [{ ...second, usedTokens: 0, sent: false }] })
      expect((await other.update('key', { limits })).view).toMatchObject({ tokens: 1_000, waitingTokens: 0 })
      subscriber.close()
    },
  )

  test('who was told its turn and died gives back what it held, when its time is over', async () => {
    let time = nowMs
    const store = await listening('died:', () => time)
    const takes = [800, 900].map((tokens) =>
      takeOf({ id: `${tokens}`, tokens, maxWaitMs: 60_000, expiresAtMs: time + 30_000 }),
    )
    const { answers } = await store.update('key', { limits, takes })
    if (answers[1]?.state !== 'waiting') throw new Error(`it is ${answers[1]?.state}`)
    const settlements = takes.slice(0, 1).map((take) => ({ ...take, usedTokens: 0, sent: true }))
    await store.update('key', { limits, settlements })
    await answers[1].admitted
    time += 29_999
    expect((await store.update('key', { limits })).view.tokens).toBe(1_000)
    // Half of it was expected to be used: that much is gone, the rest is there again, and no more than fits.
    await store.update('key', {
      limits,
      takes: [takeOf({ id: 'all', tokens: 1_000, expiresAtMs: time + 60_000 })],
    })
    time += 1
    expect((await store.update('key', { limits })).view.tokens).toBe(451)
  })

  test('without leave to publish, and with a subscriber that fails, those who wait ask again', async () => {
    await ioredis.call('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels')
    const mute = new Redis(server.url, { username: 'mute', password: 'x' })
    let asked = 0
    const failing = {
      on() {},
      async subscribe() {
        asked++
        throw new Error('no')
      },
    }
    let time = nowMs
    const hearing = ioredis.duplicate()
    for (const [key, subscriber] of Object.entries({ hearing, failing })) {
      const store = redisQuotaStore({ client: mute, subscriber, prefix: 'mute:', now: () => time })
      const takes = ['a', 'b'].map((id) =>
        takeOf({ id, tokens: 800, expectedTokens: 800, maxWaitMs: 60_000, expiresAtMs: time + 600_000 }),
      )
      for (const id of ['c', 'd', 'e']) {
        const more = { ...takeOf({ id, tokens: 800 }), maxWaitMs: 60_000 }
        await store.update(`${key}-warm`, { limits, takes: [more] })
      }
      if (subscriber === hearing)
        await vi.waitFor(async () => expect(await ioredis.pubsub('CHANNELS', 'mute:turn:*')).toHaveLength(1))
      const { answers } = await store.update(key, { limits, takes })
      if (answers[1]?.state !== 'waiting') throw new Error(`it is ${answers[1]?.state}`)
      time += answers[1].askInMs
      expect((await store.update(key, { limits, takes: takes.slice(1) })).answers[0]?.state).toBe('admitted')
    }
    hearing.disconnect()
    // Each who waits tries again to listen.
    expect(asked).toBeGreaterThan(1)
    mute.disconnect()
  })

  test('and they do so with more lines than are looked at for an estimate', async () => {
    let time = 1_700_000_000_000
    const ledger = quotaLedger()
    const redis = redisQuotaStore({ client: ioredis, now: () => time, timeoutMs: 10_000 })
    const takes = Array.from({ length: 400 }, (_, n) =>
      takeOf({
        id: `${n}`,
        tokens: 50 + ((n * 37) % 100),
        tenant: `${(n * 61) % 150}`,
        weight: 1 + (n % 3),
        maxWaitMs: 100_000,
      }),
    )
    for (let round = 0; round < 30; round++) {
      const change = { limits, takes: takes.filter((_, n) => round === 0 || n % 30 === round) }
      expect(await redis.update('lines', change)).toEqual(updateQuotaLedger(ledger, change, time))
      time += 700
    }
  })

  test('every key has a time to live and the same hash slot, whatever the name of the ledger', async () => {
    let time = nowMs
    const store = redisQuotaStore({ client: ioredis, prefix: 'ttl:', now: () => time })
    const takes = Array.from({ length: 6 }, (_, n) =>
      takeOf({ id: `${n}`, tokens: 600, maxWaitMs: 60_000, tenant: `${n}` }),
    )
    await store.update('a}b', { limits, takes })
    // One of them leaves its line, and is remembered for what it had.
    time += 500
    await store.update('a}b', { limits, takes: takes.slice(5) })
    const keys = await ioredis.keys('ttl:*')
    expect(keys.length).toBe(7)
    expect(new Set(keys.map((key) => /\{(.*?)\}/.exec(key)?.[1]))).toEqual(new Set(['a%7Db']))
    for (const key of keys) expect(await ioredis.pttl(key), key).toBeGreaterThan(29 * 86_400_000)
  })

  test('a key that became empty comes back with a time to live', async () => {
    const store = redisQuotaStore({ client: ioredis, prefix: 'again:', now: () => nowMs })
    for (const id of ['one', 'other']) {
      const take = takeOf({ id, tokens: 100 })
      await store.update('key', { limits, takes: [take] })
      for (const key of await ioredis.keys('again:*')) expect(await ioredis.pttl(key), key).toBeGreaterThan(0)
      await store.update('key', { limits, settlements: [{ ...take, usedTokens: 100, sent: true }] })
    }
  })

  test('nothing is left of those who came and went, but the state', async () => {
    const store = redisQuotaStore({ client: ioredis, prefix: 'left:', now: () => nowMs })
    const takes = Array.from({ length: 9 }, (_, n) =>
      takeOf({ id: `${n}`, tokens: 300, maxWaitMs: 60_000, tenant: `${n % 2}` }),
    )
    await store.update('key', { limits, takes })
    const settlements = takes.map((take) => ({ ...take, usedTokens: 0, sent: false }))
    const { view } = await store.update('key', { limits, settlements })
    expect(view).toMatchObject({ tokens: 1_000, waitingTokens: 0 })
    expect(await ioredis.keys('left:*')).toEqual(['left:quota:1:{key}:state'])
  })

  test('a server that does not answer is given up after its time, and when the caller goes', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const client = new Redis(port, { enableReadyCheck: false, retryStrategy: () => null })
    const store = (timeoutMs: number) => redisQuotaStore({ client, timeoutMs })
    await expect(store(20).update('key', { limits })).rejects.toMatchObject({ name: 'TimeoutError' })
    const gone = new AbortController()
    const waiting = store(60_000).update('key', { limits }, gone.signal)
    gone.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    client.disconnect()
    silent.close()
  })
})

test('options that cannot be right are refused by name', () => {
  const client = { evalsha: async () => '', eval: async () => '' }
  expect(() => redisQuotaStore({ client, prefix: '{a}' })).toThrow(/redisQuotaStore: prefix is "\{a\}"/)
  expect(() => redisQuotaStore({ client, timeoutMs: 0 })).toThrow(/redisQuotaStore: timeoutMs is 0/)
})
