/** Budgets in Redis or Valkey: one script for each operation. */

import type { BudgetAccount, BudgetReservation, BudgetState, BudgetStore } from '../budget-store.ts'
import { budgetState, firstLiveSum, reservedUntil } from '../budget-sums.ts'
import { budgetScript } from './budget-script.ts'
import { type RedisScripts, redisScript } from './client.ts'
import { within } from './within.ts'

export interface RedisBudgetStoreOptions {
  /** A client of node-redis, ioredis or iovalkey, or another one with the same two methods. */
  readonly client: RedisScripts
  /**
   * All keys begin with it.
   *
   * @default 'sluice:'
   */
  readonly prefix?: string
  /**
   * An operation is given up after so long.
   *
   * @default 500
   */
  readonly timeoutMs?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** Part of every key, so that another layout has other keys. */
const version = 1
/** What the integers of Redis can hold. */
const most = 2n ** 63n - 1n

/**
 * A store for budgets that all sandboxes share. Amounts and limits go up to 9.2 × 10^18. A server that may lose its
 * memory, or evicts keys, loses budgets.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { createClient } from '@redis/client'
 * import { redisBudgetStore } from '@sluice/store/redis'
 *
 * const client = createClient({ url: 'redis://localhost:6379' })
 * await client.connect()
 * const store = redisBudgetStore({ client })
 * const account = { key: 'today', limit: 1_000n, forgetAtMs: Date.now() + 86_400_000 }
 * console.log(await store.read(account))
 * client.destroy()
 * ```
 */
export function redisBudgetStore({
  client,
  prefix = 'sluice:',
  timeoutMs = 500,
  now = Date.now,
}: RedisBudgetStoreOptions): BudgetStore {
  if (/[{}]/.test(prefix)) {
    throw new TypeError(`redisBudgetStore: prefix is ${JSON.stringify(prefix)}; braces are for the hash slot`)
  }
  if (!(timeoutMs > 0)) {
    throw new TypeError(`redisBudgetStore: timeoutMs is ${timeoutMs}; give milliseconds above 0`)
  }
  const run = redisScript(client, budgetScript)
  // One slot for all: a reservation may be for several accounts.
  const slot = `${prefix}{budget}:`
  const keyOf = ({ key }: BudgetAccount) => `${slot}account:${version}:${key}`

  async function send(
    keys: string[],
    args: readonly (string | number | bigint)[],
    signal: AbortSignal | undefined,
  ) {
    signal?.throwIfAborted()
    const reply = await within(run(keys, args.map(String)), timeoutMs, signal)
    const [refused, ...accounts] = reply as [number, ...string[][]]
    return { refusedBy: refused > 0 ? refused - 1 : undefined, states: accounts.map(stateOf) }
  }
  function stateOf(fields: readonly string[]): BudgetState {
    const sums = new Map<string, bigint>()
    for (let index = 0; index < fields.length; index += 2) {
      sums.set(fields[index] as string, BigInt(fields[index + 1] as string))
    }
    return budgetState(sums, now())
  }
  const about = ({ amount, expiresAtMs }: BudgetReservation) =>
    [checked(amount), reservedUntil(expiresAtMs), firstLiveSum(now())] as const

  return {
    async reserve(accounts, reservation, signal) {
      const limits = accounts.map(({ limit }) => checked(limit) - reservation.amount)
      const ends = accounts.map(({ forgetAtMs }) => forgetAtMs)
      return send(accounts.map(keyOf), ['reserve', ...about(reservation), ...limits, ...ends], signal)
    },
    async settle(accounts, reservation, spent, signal) {
      const keys = [...accounts.map(keyOf), `${slot}spent:${version}:${reservation.id}`]
      const ends = accounts.map(({ forgetAtMs }) => forgetAtMs)
      const args = ['settle', ...about(reservation), checked(spent), ...ends, Math.max(...ends)]
      return (await send(keys, args, signal)).states
    },
    async read(account, signal) {
      const { states } = await send([keyOf(account)], ['read', 0, '', firstLiveSum(now())], signal)
      return states[0] as BudgetState
    },
  }
}

function checked(amount: bigint): bigint {
  if (amount < 0n || amount > most) {
    throw new RangeError(`redisBudgetStore: ${amount} is not from 0 to ${most}, what Redis counts exactly`)
  }
  return amount
}
