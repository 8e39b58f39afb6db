import { fakeClock, fakeModel } from '@sluice/core/testing'
import { memoryBudgetStore } from '@sluice/store'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { actual, noon, setUp, usd, worst } from '../fixtures/budgets.ts'
import { openLedger } from './ledger.ts'
import type { Budget } from './limit.ts'
import { spansOf } from './period.ts'

const minuteMs = 60_000
/** Twelve slices of a minute. */
const rollingMs = 12 * minuteMs
const limits = [{ per: 'tenant', period: { rollingMs }, hardUsd: usd(worst + actual) }] as const
const keyOf = (atMs: number) => `tenant-rolling-720000#60000x${Math.floor(atMs / minuteMs)}#acme`

describe('a rolling window', () => {
  test('has room again when what was spent has left it, and says when that will be', async () => {
    const { call, clock } = setUp({ limits })
    await call()
    await clock.advance(3 * minuteMs)
    await call()
    // The first call leaves 12 minutes after the end of its minute.
    await expect(call()).rejects.toMatchObject({
      statusCode: 429,
      retryAfterMs: 10 * minuteMs,
      spentUsd: '0.00021',
    })
    await clock.advance(10 * minuteMs - 1)
    await expect(call()).rejects.toMatchObject({ retryAfterMs: 1 })
    await clock.advance(1)
    await call()
    await expect(call()).rejects.toMatchObject({ retryAfterMs: 3 * minuteMs })
  })

  test('that is filled in this very slice has to wait for it', async () => {
    const { call } = setUp({ limits: [{ per: 'tenant', period: { rollingMs }, hardUsd: usd(worst) }] })
    await call()
    await expect(call()).rejects.toMatchObject({ retryAfterMs: 13 * minuteMs })
  })

  test('a reservation that comes when its slice is over is made in the next one', async () => {
    let advance = 1
    const { call, clock, stateOf } = setUp({ limits }, (memory) => ({
      async reserve(...args) {
        const reserved = await memory.reserve(...args)
        await clock.advance(advance * minuteMs)
        advance = 0
        return reserved
      },
    }))
    await call()
    expect(await stateOf(keyOf(noon))).toEqual({ spent: 0n, reserved: 0n })
    expect(await stateOf(keyOf(noon + minuteMs))).toEqual({ spent: actual, reserved: 0n })
  })

  test('slices that are over are read when they may have changed, by all calls together', async () => {
    const read: string[] = []
    const { call, clock } = setUp({ limits: [{ ...limits[0], hardUsd: 1 }] }, (memory) => ({
      read(account, ...rest) {
        read.push(account.key)
        return memory.read(account, ...rest)
      },
    }))
    const reads = async () => {
      await Promise.all([call(), call()])
      return read.splice(0).length
    }
    expect(await reads()).toBe(12)
    await clock.advance(9_999)
    expect(await reads()).toBe(0)
    await clock.advance(1)
    expect(await reads()).toBe(12)
    await clock.advance(50_000)
    expect(await reads()).toBe(12)
  })

  test('of some days: what cannot change any more is read once', async () => {
    const read: string[] = []
    const long = { per: 'all', period: { rollingMs: 12 * 60 * minuteMs }, hardUsd: 1 } as const
    const { call, clock } = setUp({ limits: [long] }, (memory) => ({
      read(account, ...rest) {
        read.push(account.key)
        return memory.read(account, ...rest)
      },
    }))
    await call()
    expect(read.splice(0)).toHaveLength(12)
    // Of the last hour, calls may still run.
    await clock.advance(10_000)
    await call()
    expect(read.splice(0)).toEqual([`all-rolling-43200000#3600000x${Math.floor(noon / 3_600_000) - 1}#`])
    await clock.advance(30 * minuteMs)
    await call()
    expect(read.splice(0)).toHaveLength(1)
    await clock.advance(10_000)
    await call()
    expect(read).toEqual([])
  })

  test('a slice that could not be read is not taken for empty', async () => {
    let fails = true
    const { call } = setUp({ limits }, (memory) => ({
      read: (...args) => (fails ? Promise.reject(new Error('away')) : memory.read(...args)),
    }))
    const model = fakeModel()
    await expect(call(model)).rejects.toMatchObject({ reason: 'store' })
    expect(model.sent).toBe(0)
    fails = false
    await call(model)
    expect(model.sent).toBe(1)
  })

  test('never holds more than its limit, wherever it is put, and refuses nothing that has room', async () => {
    const limit = 1_000n
    const spanAt = spansOf({ rollingMs }, 'UTC')
    const budget: Budget = { name: 'b', owner: 'o', hard: limit, soft: undefined, spanAt }
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            pauseMs: fc.integer({ min: 0, max: 3 * minuteMs }),
            amount: fc.bigInt(1n, 400n),
            spares: fc.bigInt(0n, 400n),
          }),
          { maxLength: 40 },
        ),
        async (steps) => {
          const clock = fakeClock(noon)
          const reserve = openLedger(memoryBudgetStore({ now: clock.now }))
          const spent: { atMs: number; amount: bigint }[] = []
          const since = (fromMs: number) =>
            spent.reduce((sum, { atMs, amount }) => (atMs > fromMs ? sum + amount : sum), 0n)
          for (const { pauseMs, amount, spares } of steps) {
            await clock.advance(pauseMs)
            const nowMs = clock.now()
            const expiresAtMs = nowMs + minuteMs
            const held = await reserve({ budgets: [budget], amount, enforced: true, expiresAtMs, clock })
            if (held.refused) {
              expect(since(nowMs - rollingMs - 2 * minuteMs) + amount).toBeGreaterThan(limit)
              // Who comes back when told finds room.
              expect(held.refused.roomAtMs(held.refused.spent + amount - limit)).toBeGreaterThan(nowMs)
            } else {
              const used = amount > spares ? amount - spares : amount
              await held.settle(used)
              spent.push({ atMs: nowMs, amount: used })
              expect(since(nowMs - rollingMs)).toBeLessThanOrEqual(limit)
            }
          }
        },
      ),
    )
  })
})
